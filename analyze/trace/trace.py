"""An open trace: a DuckDB connection that sees the trace's views and nothing else of the machine."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, TracebackType
from typing import TYPE_CHECKING, Any, Self

import duckdb
from duckdb.func import FunctionNullHandling

from sysmon.analyze.strace import calltext
from sysmon.analyze.trace import views
from sysmon.analyze.trace.database import TOO_LARGE, Database
from sysmon.analyze.trace.reports import find_report, reports
from sysmon.analyze.trace.rules import few, is_kept, known, made_first, read_with
from sysmon.analyze.trace.source import RETRY, Source, inspect
from sysmon.analyze.trace.sqlfile import View
from sysmon.analyze.trace.window import instant_ns
from sysmon.bpf.kinds import KINDS
from sysmon.bpf.trace_file import schema
from sysmon.bpf.trace_file.directory import OWN_DESCRIPTORS
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.errors import BadRequest, BrokenTrace, CannotWrite
from sysmon.safe_text import one_line

if TYPE_CHECKING:
    from sysmon.analyze.charts.picture import Picture

ALL_ROWS = """
SELECT * EXCLUDE (row_number)
FROM unfiltered.trace
WHERE len($kinds) = 0 OR list_contains($kinds, kind)
ORDER BY ts NULLS LAST, row_number
"""

READS_PROCESSES = re.compile(r"\b(?:FROM|JOIN) (?:(main|unfiltered)\.)?processes\b", re.IGNORECASE)
"""Whether a query names the view; one that does so otherwise finds the processes by itself, and is slower."""

FEW = {"syscalls_by_process": ("tally", "ranked_stats")}
"""Reports of whose first rows less is to be read: what has a row for each of theirs, and the part that then is less."""

LESS = "ask for less of it, with --since and --until, --pid or --limit"

ROOM = "free some, or name another directory for them with TMPDIR"

DEFECTS = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)
"""Errors in SQL of ours. All else that DuckDB raises is about rows that are not what they should be."""


NAMED_REPORT = re.compile(r"\breport\.\"?(\w+)")

CATALOGUE = re.compile(r"\b(duckdb_\w+|information_schema|pg_\w+|show)\b", re.IGNORECASE)
"""What a query names that looks at views: it is to see all of them. To make all takes a second and more."""


class Trace:
    """A trace, or the part of one that was asked for.

    Closed by `close()` or at the end of a `with`. One result is read at a time: read a relation to its end, as `.df()`
    does, before the next. Not for use by several threads.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        since: str | None = None,
        until: str | None = None,
        pids: Iterable[int] = (),
        comms: Iterable[str] = (),
        cgroups: Iterable[str] = (),
        only_cgroup: str | None = None,
    ) -> None:
        """`cgroups` are paths, each with the groups below it; `only_cgroup` is one alone, '' the unknown."""
        self.source: Source = inspect(path)
        try:
            self._begin(since, until, tuple(pids), tuple(comms), tuple(cgroups), only_cgroup)
        except BaseException:
            self.source.discard()
            raise

    def _begin(
        self,
        since: str | None,
        until: str | None,
        pids: tuple[int, ...],
        comms: tuple[str, ...],
        cgroups: tuple[str, ...],
        only_cgroup: str | None,
    ) -> None:
        started_ns = self.metadata["started_ns"]
        self._since, self._until = since, until
        self.pids = pids
        self.comms = comms
        self.cgroups = tuple("/" + c.strip("/") for c in cgroups)
        self._only_cgroup = only_cgroup
        self.since_ns = None if since is None else instant_ns(since, started_ns)
        self.until_ns = None if until is None else instant_ns(until, started_ns)
        if self.since_ns is not None and self.until_ns is not None and self.until_ns <= self.since_ns:
            raise BadRequest("the window is empty: --until is not after --since")
        self._database = Database()
        self._made: set[str] = set()
        self._found: set[str] = set()
        self._parts: dict[tuple[int, ...], Trace] = {}
        self._documented = False
        try:
            with self.reading():
                self._open()
        except BaseException:
            self._database.close()
            raise

    @property
    def metadata(self) -> Recording:
        """What the trace says of its recording."""
        return self.source.recording

    @property
    def is_part(self) -> bool:
        """Whether only a part of the file was asked for."""
        window = self.since_ns is not None or self.until_ns is not None
        return window or bool(self.pids or self.comms or self.cgroups or self._only_cgroup is not None)

    @property
    def options(self) -> list[str]:
        """The words of a command line that ask for this part of the trace; none if it is all."""
        asked = [("--pid", str(pid)) for pid in self.pids]
        asked += [("--comm", comm) for comm in self.comms]
        asked += [("--cgroup", cgroup) for cgroup in self.cgroups]
        return [*(word for pair in asked for word in pair), *self._window]

    @property
    def _window(self) -> list[str]:
        asked = (("--since", self._since), ("--until", self._until))
        return [word for name, text in asked if text is not None for word in (name, text)]

    def part(self, pids: tuple[int, ...]) -> Trace:
        """The same window of the same file with only these processes, to be closed on its own. Raises BadRequest."""
        return Trace(self.source.path, since=self._since, until=self._until, pids=pids, comms=(), cgroups=())

    def _kept_part(self, pids: tuple[int, ...]) -> Trace:
        """Such a part that is closed with this trace: its relations are read later."""
        if pids not in self._parts:
            self._parts[pids] = self.part(pids)
        return self._parts[pids]

    def chart(self, name: str, pid: int | Iterable[int] | None = None, *, syscall: str | None = None) -> Picture:
        """A chart, which a notebook shows: of all, or of one process or some, or of one system call.

        Raises BadRequest if there is no such chart or process, NoData if there is nothing to draw.
        """
        from sysmon.analyze import charts
        from sysmon.analyze.charts.picture import Picture

        return Picture(charts.draw(self, name, _pids(pid), syscall))

    def report(self, name: str, pid: int | Iterable[int] | None = None) -> duckdb.DuckDBPyRelation:
        """The rows of a report, in its order: of all, or of one process or some.

        Raises BadRequest if there is no such report or process.
        """
        if pids := _pids(pid):
            return self._kept_part(pids).report(name)
        found = find_report(name)
        self._make((found,))
        self._find_processes(found.sql)
        return self._database.sql(f"SELECT * FROM report.{views.name_sql(found.name)}")

    def first_rows(self, name: str, limit: int) -> tuple[duckdb.DuckDBPyRelation, int]:
        """At most so many rows of a report, and how many more it has; read them before anything else.

        Of reports whose last steps cost most, these are taken for the rows that are asked for only. Others are read
        whole: then there are no more. Raises BadRequest.
        """
        rows = self.report(name)
        if name not in FEW:
            return rows, 0
        source, parts = FEW[name]
        ((total,),) = self._database.execute(f"SELECT COUNT(*) FROM finding.{source}").fetchall()
        if total <= limit:
            return rows, 0
        self._database.execute("SET VARIABLE first_rows = $1", [limit])
        self._database.execute(views.instead_sql(few(parts)))
        try:
            with self.reading():
                kept = rows.limit(limit).to_arrow_table()
        finally:
            self._database.execute(views.instead_sql(known()[f"finding.{parts}"]))
        return self._database.connection.from_arrow(kept), total - limit

    def own(self, query: str, values: dict[str, object] | None = None) -> duckdb.DuckDBPyRelation:
        """The rows of a query of sysmon's own, which names what it reads as `report.NAME` or `finding.NAME`.

        `values` are those of its parameters, `$name`.
        """
        self._make(made_first(query))
        self._find_processes(query)
        return self._database.sql(query, params=values)

    def keep(self, view: View) -> duckdb.DuckDBPyRelation:
        """The rows of a view of sysmon's own in the schema `diff`, computed once and kept as `kept.NAME`."""
        self._database.execute("CREATE SCHEMA IF NOT EXISTS diff")
        self._database.execute("CREATE SCHEMA IF NOT EXISTS kept")
        self._database.execute(view.sql)
        name = views.name_sql(view.name)
        self._database.execute(f"CREATE TABLE kept.{name} AS SELECT * FROM diff.{name}")
        return self._database.sql(f"SELECT * FROM kept.{name}")

    def _make(self, wanted: Iterable[View], *, as_tables: bool = True) -> None:
        """Makes views that are not there yet, each after those that it reads: all take half of the time of opening.

        Findings and what their rules share become tables: that takes one plan less, and each is computed once.
        """
        with self.reading():
            for view in wanted:
                name = f"{view.schema}.{view.name}"
                if name in self._made:
                    continue
                self._made.add(name)
                self._make((v for v in made_first(view.sql) if v != view), as_tables=as_tables)
                table = as_tables and is_kept(view)
                if table:
                    self._find_processes(view.sql)
                self._database.execute(views.table_sql(view) if table else view.sql)

    def _find_processes(self, query: str) -> None:
        """Puts the processes into a table if the query reads them, itself or by a view: all, or with what they used.

        Most reports name processes, and to find these takes as long as the rest of a report.
        """
        schemas = {schema for sql in read_with(query) for schema in READS_PROCESSES.findall(sql)}
        here = bool(schemas - {"unfiltered"})
        wanted = [name for name in views.FIND_PROCESSES if here or (schemas and name == "unfiltered")]
        if self._found.issuperset(wanted):
            return
        with self.reading():
            for name in wanted:
                if name not in self._found:
                    self._database.execute(views.FIND_PROCESSES[name])
                    self._found.add(name)
        if self._documented:  # what replaces the view has no comments
            self._database.execute(";".join(_comments()))

    def _make_all(self) -> None:
        """Makes whatever a query can name, with its documentation, and computes nothing yet."""
        if self._documented:
            return
        self._documented = True
        self._database.make_all()
        self._database.execute("BEGIN")  # comments alone take 30 ms in one transaction, 85 ms in one each
        self._make(reports(), as_tables=False)
        self._database.execute(";".join(_comments()))
        self._database.execute("COMMIT")

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """The rows of one query that only reads. Raises BadRequest if it is another, duckdb.Error if it is wrong."""
        statements = self._database.connection.extract_statements(query)
        if len(statements) != 1:
            raise BadRequest(f"give one SQL statement, not {len(statements)}")
        if statements[0].type != duckdb.StatementType.SELECT:  # also DESCRIBE, SUMMARIZE, SHOW, VALUES
            raise BadRequest(f"only queries that read can be run, such as SELECT; this is {statements[0].type.name}")
        if statements[0].named_parameters:
            raise BadRequest("the query has a parameter ($1 or ?) and there is no value for it; write the value")
        if CATALOGUE.search(query):
            self._make_all()
        else:
            known = {r.name: r for r in reports()}
            self._make(known[name] for name in NAMED_REPORT.findall(query) if name in known)
        self._find_processes(query)
        try:
            return self._database.sql(query)
        except (duckdb.CatalogException, duckdb.BinderException):
            if self._documented:
                raise
        self._make_all()  # it may name a view in another way, and what it does not find is suggested from all
        return self._database.sql(query)

    def rows(self, kinds: tuple[str, ...] = ()) -> duckdb.DuckDBPyRelation:
        """Every row of the file, or of some kinds, with all columns, in the order of time and then of the file."""
        return self._database.sql(ALL_ROWS, params={"kinds": list(kinds)})

    def by_cgroup(self) -> Iterator[tuple[str | None, Trace]]:
        """The part of the trace that each control group's processes are, the group that used most of the CPUs first.

        None is the group that is not known. A part is closed when the next is asked for.
        """
        groups = self.own(
            "SELECT cgroup FROM main.processes GROUP BY cgroup ORDER BY SUM(cpu_ns) DESC NULLS LAST, cgroup"
        )
        for (group,) in groups.fetchall():
            with Trace(
                self.source.path,
                since=self._since, until=self._until, pids=(), comms=(), cgroups=(), only_cgroup=group or "",
            ) as part:  # fmt: skip
                yield group, part

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Raises BrokenTrace for what DuckDB finds wrong with the file while rows are read inside."""
        try:
            yield
        except duckdb.OutOfMemoryException as e:
            raise BrokenTrace(f"{self._shown}: {TOO_LARGE}; {LESS}") from e
        except DEFECTS:
            raise
        except duckdb.PermissionException as e:
            if OWN_DESCRIPTORS not in str(e):
                raise
            # DuckDB lets itself be told one name only, and takes the one that the open file has by now.
            raise BrokenTrace(f"{self._shown}: was renamed, replaced or removed while it was read; try again") from e
        except duckdb.IOException as e:
            if "Could not write" in str(e):  # a temporary file: no other is written
                raise CannotWrite(f"no room for temporary files ({one_line(str(e))}); {ROOM}") from e
            raise BrokenTrace(f"{self._shown}: cannot be read ({one_line(str(e))}); {RETRY}") from e
        except duckdb.Error as e:
            raise BrokenTrace(f"{self._shown}: cannot be read ({one_line(str(e))}); {RETRY}") from e

    def close(self) -> None:
        """Ends the connection and removes its temporary files."""
        for part in self._parts.values():
            part.close()
        self._database.close()
        self.source.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open(self) -> None:
        run = self._database.execute
        _lock_in(self._database, self.source.opened)
        self._set_variables()
        self._database.connection.create_function(
            "call_arguments",
            _keeping(self.source.held),
            CALL_ARGUMENTS,
            "VARCHAR",
            null_handling=FunctionNullHandling.SPECIAL,
        )
        for name in ("unfiltered", "windowed", "report", "finding"):
            run(f"CREATE SCHEMA {name}")
        run(views.file_view(schema.all_columns(), self._present()))
        picked = bool(self.pids or self.comms or self.cgroups or self._only_cgroup is not None)
        since, until = self.since_ns is not None, self.until_ns is not None
        for made in views.all_of_a_trace(since, until, picked):
            self._database.later(*made)
        if picked:
            self._pick()
        run("SET lock_configuration = true")

    def _set_variables(self) -> None:
        info = self.metadata
        everyone = not any(info[name] for name in ("pids", "comms", "uids", "cgroup", "command"))
        full = {loss["place"] for loss in info["losses"] if loss["cause"] == "map full"}
        values = {
            "clock_offset_ns": info["clock_offset_ns"],
            "interval_ns": info["interval_s"] * 1e9,
            "recorder_pid": info["recorder_pid"],
            "recorder_start": info["recorder_start"],
            "mount_namespace": info.get("mount_namespace"),
            "cpu_complete": everyone and info["rows"].get("cpu", 0) > 0 and "cpu" not in full,
            "window_options": "".join(f" {word}" for word in map(shlex.quote, self._window)),
            "of_some": not everyone,
            "command_status": info["command_status"],
            "stopped_by_signal": info["stopped_by"] == "signal",
            "syscalls_complete": everyone and info["rows"].get("syscall_stats", 0) > 0 and "syscall_stats" not in full,
        }
        for name, value in values.items():
            self._database.execute(f"SET VARIABLE {name} = $1", [value])
        instants = {
            "started": info["started_ns"],
            "ended": info["ended_ns"],
            "since": self.since_ns,
            "until": self.until_ns,
        }
        for name, ns in instants.items():
            self._database.execute(
                f"SET VARIABLE {name} = CAST(make_timestamp_ns(CAST($1 AS BIGINT)) AS TIMESTAMPTZ_NS)", [ns]
            )

    def _present(self) -> frozenset[str]:
        """Names of the declared columns that the file has. Raises BrokenTrace if one has another type than declared."""
        rows = self._database.execute("DESCRIBE SELECT * FROM read_parquet(getvariable('trace'))").fetchall()
        found = {str(name): str(kind) for name, kind, *_ in rows}
        declared = {c.name: views.TYPES[c.type] for c in schema.all_columns()}
        for name in ("kind", "ts"):
            if name not in found:
                raise BrokenTrace(f"{self._shown}: has no column {name}; {RETRY}")
        if views.PLACE in map(str.lower, found):
            raise BrokenTrace(f"{self._shown}: has a column {views.PLACE}, which no recording has; {RETRY}")
        for name, kind in found.items():
            if declared.get(name, kind) != kind:
                raise BrokenTrace(
                    f"{self._shown}: column {name} has type {one_line(kind)} instead of {declared[name]}; {RETRY}"
                )
        return frozenset(found.keys() & declared.keys())

    def _pick(self) -> None:
        groups = [] if self._only_cgroup is None else [self._only_cgroup]
        asked = {"pids": list(self.pids), "comms": list(self.comms), "groups": groups, "trees": list(self.cgroups)}
        self._find_processes(views.PICK)
        self._database.execute(views.PICK, asked)
        known = {
            (pid, comm, cgroup)
            for pid, comm, cgroup in self._database.execute(
                "SELECT DISTINCT pid, comm, cgroup FROM unfiltered.processes "
                "WHERE (pid, start) IN (FROM unfiltered.picked)"
            ).fetchall()
        }
        for pid in self.pids:
            if pid not in {p for p, _, _ in known}:
                raise BadRequest(f"no process {pid} in this trace; `sysmon report {self._shown} processes` lists them")
        for comm in self.comms:
            if comm not in {c for _, c, _ in known}:
                raise BadRequest(
                    f"no process named {one_line(comm)!r} in this trace; "
                    f"`sysmon report {self._shown} processes` lists them"
                )
        for group in self.cgroups:
            if not any(g is not None and (g == group or g.startswith(f"{group.rstrip('/')}/")) for _, _, g in known):
                raise BadRequest(
                    f"no process of control group {one_line(group)!r} in this trace; "
                    f"`sysmon report {self._shown} cgroups` lists them"
                )

    @property
    def _shown(self) -> str:
        return one_line(str(self.source.path))


def _pids(pid: int | Iterable[int] | None) -> tuple[int, ...]:
    return () if pid is None else (pid,) if isinstance(pid, int) else tuple(pid)


CALL_ARGUMENTS: list[Any] = ["VARCHAR", "VARCHAR", *["UBIGINT"] * 6, "VARCHAR", "VARCHAR", "BLOB"]
"""Types of what the SQL function `call_arguments` takes: columns of `syscall_events`, in their order."""


def _call_arguments(
    syscall: str | None, abi: str | None,
    arg1: int | None, arg2: int | None, arg3: int | None, arg4: int | None, arg5: int | None, arg6: int | None,
    string1: str | None, string2: str | None, sockaddr: bytes | None,
) -> str:  # fmt: skip
    args = (arg1, arg2, arg3, arg4, arg5, arg6)
    return calltext.arguments(calltext.Call(syscall, abi, args, string1, string2, sockaddr))


def _keeping(held: object) -> Callable[..., str]:
    """The function, which has what must live as long as the database: a relation may outlive its trace."""
    function = FunctionType(_call_arguments.__code__, _call_arguments.__globals__, _call_arguments.__name__)
    function.__dict__["held"] = held
    return function


def _lock_in(database: Database, path: Path) -> None:
    """Leaves the database one file that it may read, under the variable `trace`.

    DuckDB takes `*?[` in a file name for a pattern; in brackets each stands for itself. The check of access sees the
    name both with the brackets and without. External access can only be switched off after the paths are set.
    """
    pattern = "".join(f"[{c}]" if c in "*?[" else c for c in str(path))
    database.execute("SET TimeZone = 'UTC'")
    # Else every view that is made, and every query, reads the footer again: 3 s to open a trace of 10 M rows.
    database.execute("SET parquet_metadata_cache = true")
    database.execute("SET VARIABLE trace = $1", [pattern])
    database.execute("SET allowed_paths = $1", [[str(path), pattern]])
    database.execute("SET enable_external_access = false")


def _comments() -> list[str]:
    out = [s for kind in KINDS for s in views.kind_comments(kind)]
    for view in (*views.derived(), *reports()):
        out += views.view_comments(view)
    return out
