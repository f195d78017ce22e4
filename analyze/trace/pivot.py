"""A measure split by some of its dimensions: the query, from declared names and a checked condition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from sysmon.analyze.trace import condition
from sysmon.analyze.trace.catalog import name_sql
from sysmon.analyze.trace.facts import AMOUNT, dimensions, facts, usual
from sysmon.analyze.trace.sqlfile import View
from sysmon.errors import BadRequest, did_you_mean
from sysmon.safe_text import one_line

_SECONDS = "SUM(amount) / 1e9"
SHOWN = {"time": ("time_s", _SECONDS), "wait_time": ("wait_s", _SECONDS), "io_time": ("io_s", _SECONDS)}
"""Measure → name and SQL of the column that shows it; of others it is the sum, by the measure's name."""


@dataclass(frozen=True)
class Pivot:
    """A measure, the dimensions that it is split by, and SQL with the rows. `where` is a checked condition."""

    fact: View
    by: tuple[str, ...]
    where: str | None

    @property
    def sql(self) -> str:
        """The query: a row for each combination, largest first."""
        total = f"SUM({AMOUNT})"
        return (
            f"SELECT {self._keys}, {self._amount}, 100.0 * {total} / NULLIF(SUM({total}) OVER (), 0) AS share_pct "
            f"FROM {self.fact.full_name}{self._where} GROUP BY {self._keys} HAVING {total} > 0 "
            f"ORDER BY {total} DESC, {self._keys}"
        )

    @property
    def total_sql(self) -> str:
        """The query for the sum of all rows."""
        return f"SELECT {self._amount} FROM {self.fact.full_name}{self._where}"

    @property
    def _keys(self) -> str:
        return ", ".join(map(name_sql, self.by))

    @property
    def _amount(self) -> str:
        name, sql = SHOWN.get(self.fact.name, (self.fact.name, f"SUM({AMOUNT})"))
        return f"{sql} AS {name}"

    @property
    def _where(self) -> str:
        return f" WHERE {self.where}" if self.where else ""


def pivot_of(connection: duckdb.DuckDBPyConnection, by: Sequence[str] | None, measure: str, where: str | None) -> Pivot:
    """The pivot that is asked for, without `by` the usual one. Raises BadRequest for what there is not."""
    fact = _fact(measure)
    by = usual(fact) if by is None else by
    for i, name in enumerate(by):
        if name not in dimensions(fact) or name in by[:i]:
            raise BadRequest(_wrong(name, fact, repeated=name in by[:i]))
    if not by:
        raise BadRequest(f"nothing to split {measure} by; give one or more of {', '.join(dimensions(fact))}")
    checked = None if where is None else condition.checked(connection, where, dimensions(fact), "--where")
    return Pivot(fact, tuple(by), checked)


def require_boolean(connection: duckdb.DuckDBPyConnection, asked: Pivot) -> None:
    """Raises BadRequest if the condition, over the fact, is neither true nor false."""
    if asked.where is None:
        return
    with told():
        (kind,) = connection.sql(f"SELECT {asked.where} FROM {asked.fact.full_name}").types
    if str(kind) != "BOOLEAN":
        raise BadRequest(f"--where: is of type {str(kind).lower()}, not true or false; {condition.ONE}")


@contextmanager
def told() -> Iterator[None]:
    """Context in which what DuckDB says of a user's condition becomes BadRequest."""
    try:
        yield
    except (duckdb.BinderException, duckdb.ConversionException, duckdb.OutOfRangeException) as e:
        raise BadRequest(f"--where: {one_line(str(e)).split(' LINE ')[0]}") from e


def _fact(measure: str) -> View:
    known = {fact.name: fact for fact in facts()}
    if measure not in known:
        raise BadRequest(f"there is no measure {one_line(measure)}; {did_you_mean(measure, known, ', '.join(known))}")
    return known[measure]


def _wrong(name: str, fact: View, *, repeated: bool) -> str:
    if repeated:
        return f"{one_line(name)} is given twice; give each dimension once"
    others = [other.name for other in facts() if name in dimensions(other)]
    also = f" ({', '.join(others)} can)" if others else ""
    return f"{fact.name} cannot be split by {one_line(name)}{also}; it can by {', '.join(dimensions(fact))}"
