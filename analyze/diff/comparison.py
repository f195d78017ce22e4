"""The comparison of two traces: sums of each side and tests on them, in a database of its own."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sysmon.analyze.diff import p_values, significance
from sysmon.analyze.diff.notes import followed_to_the_end, notes
from sysmon.analyze.diff.sections import SQL, find_section, missing, sections
from sysmon.analyze.trace.catalog import Entry, name_sql
from sysmon.analyze.trace.database import Database
from sysmon.analyze.trace.result import BATCH_ROWS
from sysmon.analyze.trace.sqlfile import DIRECTORY, View, read_view
from sysmon.analyze.trace.trace import Trace
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.errors import BadRequest, BrokenTrace
from sysmon.safe_text import one_line

TABLES = ("cells", "cpu", "functions", "memory", "programs", "exits", "files")
"""Tables copied from each side: the files of sql/diff/side, except `span` and `named`, which these read."""

OF_BOTH = {
    "syscalls_by_command": "cells",
    "cpu": "cpu",
    "functions": "functions",
    "memory": "memory",
    "exits": "exits",
    "files": "programs",
    "file_errors": "programs",
}
"""Sections about commands that are in both recordings → the table of `sides` that tells which those are."""

SHARED_MACROS = ("is_wait", "waits", "bucket_middle_ns", "percentile_ns")
"""Macros of a trace that the comparison also calls, each after those it needs."""

SIDE_BYTES = 128 << 20
"""Most that is copied from a side. A recording of ten million rows gives 5 MB."""

LEVEL = 0.01
"""The false discovery rate: the share of reported changes that may be chance."""

EFFECT = 0.06
"""Distance from ½ of the probability that a call is slower, from which Vargha and Delaney (2000) call it small."""


@dataclass(frozen=True)
class Options:
    """What to compare: only these commands (none: all), and changes from this percentage on.

    `unchanged`: also show rows that did not change.
    """

    comms: tuple[str, ...] = ()
    min_change_pct: float = 25.0
    unchanged: bool = False


class Comparison:
    """Two traces compared. Closed by `close()` or at the end of a `with`.

    `notes` say what makes the two hard to compare. Rates are per second (`per` is 's'), or per run ('run') if both
    recordings followed a command to its end and no window was selected.
    """

    def __init__(self, before: Trace, after: Trace, options: Options) -> None:
        self.options = options
        self.level = LEVEL
        self.before: Recording = before.metadata
        self.after: Recording = after.metadata
        whole = not any(t.since_ns is not None or t.until_ns is not None for t in (before, after))
        self.per = "run" if whole and all(map(followed_to_the_end, (self.before, self.after))) else "s"
        self._database = Database("comparison")
        try:
            self._connection.execute("SET enable_external_access = false")
            self._connection.execute("SET lock_configuration = true")
            self._set(options)
            self._take(before, after)
            self._know(options.comms)
            self._test()
            for section in sections():
                self._make(section.view)
            self.notes = notes(before, after, self.length_s, self.busy_pct)
        except BaseException:
            self._database.close()
            raise

    def missing(self, name: str) -> str:
        """Why this section cannot be compared; empty if it can. Raises BadRequest if there is none of this name."""
        section = find_section(name)
        said = missing(section, self.before["kinds"], self.after["kinds"])
        in_both, commands = self.commands(section.name)
        if not said and commands and not in_both:
            return "none of its commands is in both recordings"
        return said

    def commands(self, name: str) -> tuple[int, int]:
        """The number of commands that are in both recordings, which the section compares, and of all commands.

        (0, 0) if the section is not about commands in both.
        """
        if name not in OF_BOTH:
            return 0, 0
        ((in_both, commands),) = self._connection.execute(
            "SELECT COUNT(CASE WHEN sides = 2 THEN 1 END), COUNT(*) FROM ("
            f"SELECT COUNT(DISTINCT is_after) AS sides FROM sides.{name_sql(OF_BOTH[name])} "
            "WHERE LEN(getvariable('comms')) = 0 OR LIST_CONTAINS(getvariable('comms'), command) GROUP BY command)"
        ).fetchall()
        return int(in_both), int(commands)

    def rows(self, name: str) -> duckdb.DuckDBPyRelation:
        """The rows of a section, in its order; none if it cannot be compared. Raises BadRequest for another name."""
        section = find_section(name)
        rows = self._connection.sql(f"SELECT * FROM diff.{name_sql(section.name)}")
        return rows.limit(0) if self.missing(name) else rows

    def changes(self, name: str) -> int:
        """The number of rows of a section that are changes."""
        flag = "changed" if name in ("cpu", "memory") else "COALESCE(changed, '') <> ''"
        ((count,),) = self.rows(name).filter(flag).aggregate("count(*)").fetchall()
        return int(count)

    @property
    def length_s(self) -> tuple[float, float]:
        """Length of the compared part of each trace [s]."""
        return self._spans("length_ns / 1e9")

    @property
    def busy_pct(self) -> tuple[float | None, float | None]:
        """How busy the CPUs were, with any process [%]; None if that was not recorded."""
        return self._spans("busy_pct")

    def _spans(self, value: str) -> tuple[Any, Any]:
        (before,), (after,) = self._connection.execute(f"SELECT {value} FROM sides.spans ORDER BY is_after").fetchall()
        return before, after

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return self._database.connection

    def close(self) -> None:
        """Ends the connection. What was not read by then cannot be read any more."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _set(self, options: Options) -> None:
        values = {
            "comms": list(options.comms),
            "ratio": 1 + options.min_change_pct / 100,
            "unchanged": options.unchanged,
            "level": LEVEL,
            "effect": EFFECT,
        }
        for name, value in values.items():
            self._connection.execute(f"SET VARIABLE {name} = $1", [value])
        self._connection.execute("SET VARIABLE comms = CAST(getvariable('comms') AS VARCHAR[])")
        for schema in ("sides", "measures", "tested", "diff", "unfiltered"):
            self._connection.execute(f"CREATE SCHEMA {schema}")

    def _take(self, before: Trace, after: Trace) -> None:
        """Copies the tables of both sides."""
        sides = [_tables(trace) for trace in (before, after)]
        both = set(self.before["kinds"]) & set(self.after["kinds"])
        if "file_op" not in both:
            for tables in sides:
                tables["files"] = tables["files"].filter(pc.field("is_open"))
        for name in ("span", *TABLES):
            marked = [
                tables[name].add_column(0, "is_after", pa.array([i == 1] * tables[name].num_rows, pa.bool_()))
                for i, tables in enumerate(sides)
            ]
            self._keep(f"sides.{name}", pa.concat_tables(marked))
        for path in (*(DIRECTORY / "macros" / f"{name}.sql" for name in SHARED_MACROS), SQL / "macros.sql"):
            self._connection.execute(path.read_text(encoding="utf-8"))
        self._connection.execute("SET VARIABLE per = $1", [self.per])
        self._connection.execute(
            "CREATE TABLE sides.spans AS SELECT *, getvariable('per') AS per, "
            "CASE WHEN getvariable('per') = 'run' THEN 1.0 ELSE length_ns / 1e9 END AS exposure FROM sides.span"
        )

    def _know(self, comms: tuple[str, ...]) -> None:
        found = self._connection.execute("SELECT DISTINCT command FROM sides.programs").fetchall()
        for comm in comms:
            if (comm,) not in found:
                raise BadRequest(
                    f"no process named {one_line(comm)!r} in either trace; `sysmon diff` without --comm lists some, "
                    "`sysmon report TRACE processes` all"
                )

    def _keep(self, name: str, table: pa.Table) -> None:
        self._connection.register("taken", table)
        self._connection.execute(f"CREATE TABLE {name} AS SELECT * FROM taken")
        self._connection.unregister("taken")

    def _make(self, view: View) -> None:
        self._connection.execute(Entry.of(view).statement(keep=False, again=False))

    def _measured(self, name: str) -> pa.Table:
        self._make(read_view(SQL / "measures" / f"{name}.sql"))
        return self._connection.sql(f"SELECT * FROM measures.{name_sql(name)}").to_arrow_table()

    def _test(self) -> None:
        """Adds to the measures the q-values of their changes: p-values corrected for all tests together."""
        tables = {name: self._measured(name) for name in ("calls", "cpu", "functions", "exits")}
        exposures = self._spans("exposure")
        blocks = (1, 1) if self.per == "run" else self._spans("blocks")  # parts of one run are not repetitions of it
        ratio = 1 + self.options.min_change_pct / 100
        tested = {
            "calls": p_values.calls(tables["calls"], exposures, blocks, ratio),
            "cpu": p_values.cpu(tables["cpu"], exposures, blocks, ratio),
            "functions": p_values.functions(tables["functions"]),
            "exits": p_values.exits(tables["exits"]),
        }
        every = [p for found in tested.values() for p in found.values()]
        corrected = iter(
            np.split(significance.adjusted(np.concatenate(every)), np.cumsum([len(p) for p in every])[:-1])
        )
        for name, found in tested.items():
            table = tables[name]
            for column in found:
                table = table.append_column(column, pa.array(next(corrected), from_pandas=True))
            self._keep(f"tested.{name}", table)


def _tables(trace: Trace) -> dict[str, pa.Table]:
    """The tables copied from a side. Raises BrokenTrace if they are larger than `SIDE_BYTES`."""
    found: dict[str, pa.Table] = {}
    room = SIDE_BYTES
    with trace.reading():
        for name in ("span", "named", *TABLES):
            reader = trace.view(read_view(SQL / "side" / f"{name}.sql")).to_arrow_reader(BATCH_ROWS)
            batches = []
            for batch in reader:
                batches.append(batch)
                room -= batch.nbytes
                if room < 0:
                    raise BrokenTrace(
                        f"{one_line(str(trace.source.path))}: is too large to compare in memory; "
                        "compare a part of it with --since and --until"
                    )
            found[name] = pa.Table.from_batches(batches, reader.schema)
    return found
