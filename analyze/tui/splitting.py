"""A measure split by dimensions, as `sysmon pivot` does it, and the way deeper into a value of it."""

from __future__ import annotations

from dataclasses import replace

from sysmon.analyze.trace.catalog import name_sql
from sysmon.analyze.trace.facts import dimensions, facts, usual
from sysmon.analyze.trace.missing_kinds import absent
from sysmon.analyze.trace.pivot import told
from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.sqlfile import View
from sysmon.analyze.trace.trace import Trace
from sysmon.analyze.trace.values import Value
from sysmon.analyze.tui import shaping
from sysmon.analyze.tui.answers import Table, held
from sysmon.analyze.tui.places import Place, Split
from sysmon.errors import BadRequest, did_you_mean

EXAMPLE = "time by comm, state"


def measures() -> list[str]:
    """What can be split."""
    return [fact.name for fact in facts()]


def by_of(split: Split) -> tuple[str, ...]:
    """The dimensions that it is split by."""
    return split.by or usual(_fact(split))


def where(split: Split, also: str = "") -> str | None:
    """The condition of the chosen values, and another one, as text that is still to be checked."""
    conditions = [condition(name, value, included=included) for name, value, included in split.chosen]
    conditions += [f"({also})"] if also else []
    return " AND ".join(conditions) or None


def condition(name: str, value: Value, *, included: bool) -> str:
    """That a dimension has a value, or has another."""
    column = name_sql(name)
    if value is None:
        return f"{column} IS {'' if included else 'NOT '}NULL"
    literal = shaping.literal(name, value)
    return f"{column} = {literal}" if included else f"({column} <> {literal} OR {column} IS NULL)"


def read(trace: Trace, place: Place, number: int) -> Table:
    """The rows of a place that splits. Raises BadRequest."""
    split = place.split
    asked = trace.pivot_of(by_of(split), split.measure, where(split, place.where))
    order = place.order(number)
    sql = asked.sql if not order.column else f"SELECT * FROM ({asked.sql}){shaping.ordered(order)}"
    with trace.reading(), told():
        result = Result.of(trace.own(sql))
        rows, total = held(result)
    said = "" if rows else absent(_fact(split), trace.metadata["kinds"]) or "none in this window"
    return Table(result.names, result.numeric, rows, total, said, where=place.where)


def typed(text: str) -> Split:
    """`MEASURE by DIMENSION, …`. Raises BadRequest."""
    measure, _, by = text.strip().partition(" by ")
    measure = measure.strip()
    found = {fact.name: fact for fact in facts()}
    if measure not in found:
        hint = did_you_mean(measure, found, ", ".join(found))
        raise BadRequest(f"there is no measure {measure!r}; {hint}; type for example: {EXAMPLE}")
    names = tuple(name.strip() for name in by.split(",") if name.strip())
    for name in names:
        if name not in dimensions(found[measure]):
            known = ", ".join(dimensions(found[measure]))
            raise BadRequest(f"{measure} cannot be split by {name}; it can by {known}")
    return Split(measure, tuple(dict.fromkeys(names)))


def deeper(split: Split, row: dict[str, Value]) -> Split:
    """The values of this row alone, split by the next dimensions."""
    by = by_of(split)
    chosen = tuple((name, row.get(name), True) for name in by)
    left = [name for name in _dimensions(split) if name not in by and not _is_chosen(split, name)]
    return replace(split, by=tuple(left[:2]) or by, chosen=(*split.chosen, *chosen) if left else split.chosen)


def without(split: Split, row: dict[str, Value]) -> Split:
    """Without the rows that have the first value of this one."""
    name = by_of(split)[0]
    return replace(split, chosen=(*split.chosen, (name, row.get(name), False)))


def _dimensions(split: Split) -> tuple[str, ...]:
    return dimensions(_fact(split))


def _fact(split: Split) -> View:
    return next(fact for fact in facts() if fact.name == split.measure)


def _is_chosen(split: Split, name: str) -> bool:
    return any(other == name and included for other, _, included in split.chosen)
