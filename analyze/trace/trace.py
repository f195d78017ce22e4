"""An open trace: a DuckDB connection that can access the trace's views and nothing else on the machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa

from sysmon.analyze.trace import arguments, condition, user_sql, variables, views
from sysmon.analyze.trace.catalog import Entry
from sysmon.analyze.trace.dataset import Dataset, find
from sysmon.analyze.trace.growing.recording import Growing
from sysmon.analyze.trace.opened import Opened
from sysmon.analyze.trace.pivot import Pivot, pivot_of, require_boolean
from sysmon.analyze.trace.reports import find_report
from sysmon.analyze.trace.rules import few
from sysmon.analyze.trace.selection import Selection, pick
from sysmon.analyze.trace.sqlfile import View
from sysmon.bpf.kinds.syscall_events import SYSCALL
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.errors import BadRequest

ALL_ROWS = """
SELECT * EXCLUDE (row_number)
FROM unfiltered.trace
WHERE len($kinds) = 0 OR list_contains($kinds, kind)
ORDER BY ts NULLS LAST, row_number
"""


_TITLE = """
LEFT JOIN unfiltered.object_titles AS {name}
    ON t.kind = 'syscall'
    AND {name}.object = t.{object}
    AND {name}.device_or_0 = COALESCE(t.{object}_device, 0)
    AND {name}.since_ns <= EPOCH_NS(t.ts) + COALESCE(t.latency_ns, 0)
    AND COALESCE({name}.until_ns > EPOCH_NS(t.ts) + COALESCE(t.latency_ns, 0), TRUE)
"""
_UNNAMED = """unfiltered.named_object(
    CASE WHEN t.kind = 'syscall' THEN t.{object}_type END, t.{object}, t.{object}_device,
    NULL, NULL, NULL, NULL, NULL, NULL
)"""
NAMED_ROWS = f"""
SELECT t.* EXCLUDE (row_number),
    COALESCE(a.name, {_UNNAMED.format(object="object")}) AS object_title,
    COALESCE(b.name, {_UNNAMED.format(object="object2")}) AS object2_title
FROM unfiltered.trace AS t
{_TITLE.format(name="a", object="object")}
{_TITLE.format(name="b", object="object2")}
WHERE len($kinds) = 0 OR list_contains($kinds, t.kind)
ORDER BY t.ts NULLS LAST, t.row_number
"""
"""The same, and what the descriptors of system calls were called when they returned."""


AN_INSTANT = "'+1.5' or '2026-01-31T12:00:00'"
"""What to give for `since` and `until`."""


class Trace:
    """A trace, or a selected part of one.

    Closed by `close()` or at the end of a `with`. One result is read at a time: read a relation to its end, as `.df()`
    does, before the next. Not for use by several threads.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | pa.Table | Growing,
        *,
        since: str | None = None,
        until: str | None = None,
        pids: Iterable[int] = (),
        comms: Iterable[str] = (),
        cgroups: Iterable[str] = (),
        only_cgroup: str | None = None,
        command: bool = False,
        follow: bool = False,
    ) -> None:
        """`path`: of a file, a pattern for the files of one recording, or a table with a trace's metadata.

        While it is still being recorded, the trace has what was committed so far; `refresh` takes what comes.

        `cgroups` are paths, each including the groups below; `only_cgroup` is a single one, '' the unknown. `command`:
        the processes of the command that was recorded. `follow`: with what is chosen its descendants.
        """
        self.selection = Selection(
            arguments.optional_text("since", since, AN_INSTANT),
            arguments.optional_text("until", until, AN_INSTANT),
            arguments.pids("pids", pids),
            arguments.texts("comms", comms, "'bash'"),
            tuple("/" + c.strip("/") for c in arguments.texts("cgroups", cgroups, "'/system.slice'")),
            only_cgroup,
            bool(command),
            bool(follow),
        )
        if follow and not self.selection.of_some:
            raise BadRequest("--follow adds the descendants of chosen processes: choose some, as with --pid or --comm")
        self._parts: dict[tuple[int, ...], Self] = {}
        source = find(path)
        try:
            self.selection.window_ns(source.recording["started_ns"])  # before creating anything for an empty window
        except BaseException:
            source.discard()
            raise
        self._open(source)

    def _open(self, source: Dataset | Growing) -> None:
        self._opened = Opened(source)
        try:
            with self.reading():
                self._set_window(self.selection)
                self._choose()
        except BaseException:
            self.close()
            raise

    @property
    def source(self) -> Dataset | Growing:
        """What it is read from."""
        return self._opened.source

    @property
    def metadata(self) -> Recording:
        """The description of the recording."""
        return self.source.recording

    @property
    def is_part(self) -> bool:
        """Whether only a part of the trace is selected."""
        return self.since_ns is not None or self.until_ns is not None or self.selection.of_some

    @property
    def options(self) -> list[str]:
        """The command line options that select this part of the trace; none for all of it."""
        return self.selection.words

    # -- what was asked for

    def move(self, since_ns: int | None, until_ns: int | None) -> None:
        """Moves the window: its first instant, and the first after it [UTC ns since 1970]; None: no limit.

        Tables computed for the old window are computed anew when they are next needed. A relation that was returned
        before is to be read before: afterwards ask for it again. Raises BadRequest if the window is empty.
        """
        limits = arguments.instant("since_ns", since_ns), arguments.instant("until_ns", until_ns)
        selection = self.selection.moved(*limits)
        selection.window_ns(self.metadata["started_ns"])
        self._close_parts()
        with self.reading():
            self._opened.catalog.forget("window")
            self._set_window(selection)

    def refresh(self) -> int:
        """Takes what a recording that still runs has committed since, and does not wait; how many rows are new.

        What was computed is computed again when it is next asked for, as after `move`. When the recording has ended,
        this is the trace of the file that it has become: relations that were not read yet are to be asked for again.
        Of a recorder that was killed `metadata["stopped_by"]` says so. Of a file that is finished nothing is new: 0.
        """
        self._opened.require_open()
        news = self.source.refresh()
        if news.finished:
            return self._go_on(news.finished)
        if news.committed or news.parts_gone:
            self._close_parts()
            with self.reading():
                self._opened.relations.refresh(news, self._opened.catalog)
                if self.selection.of_some:
                    self._choose()
        return news.rows

    def _go_on(self, path: Path) -> int:
        """The recording has become this file."""
        before = sum(self.metadata["rows"].values())
        made = find(path)
        self.close()
        self._open(made)
        return max(0, sum(self.metadata["rows"].values()) - before)

    def _set_window(self, selection: Selection) -> None:
        self.selection = selection
        self.since_ns, self.until_ns = selection.window_ns(self.metadata["started_ns"])
        connection, catalog = self._opened.connection, self._opened.catalog
        variables.of_window(connection, selection.window_words, self.since_ns, self.until_ns)
        catalog.exchange([views.callers_here(cut=self.since_ns is not None or self.until_ns is not None)])
        self._opened.relations.move(self.since_ns, self.until_ns, catalog)

    def _choose(self) -> None:
        catalog = self._opened.catalog
        if self.selection.of_some:
            of_command = ["unfiltered.command_processes"] if self.selection.command else []
            catalog.require(["unfiltered.processes", *of_command])
            pick(self._opened.connection, self.selection, self._opened.shown)
        catalog.exchange(views.of_processes(self.selection.of_some, self._opened.relations.rows))

    def part(self, pids: Iterable[int] = (), *, comms: Iterable[str] = (), cgroups: Iterable[str] = ()) -> Self:
        """The same window with only these processes, as a trace to be closed by itself. Raises BadRequest."""
        self._opened.require_open()
        since, until = self.selection.since, self.selection.until
        return type(self)(self.source.again, since=since, until=until, pids=pids, comms=comms, cgroups=cgroups)

    def between(self, since_ns: int | None, until_ns: int | None) -> Self:
        """The same processes in another window, as a trace to be closed by itself. Raises BadRequest."""
        self._opened.require_open()
        return type(self)(self.source.again, **asdict(self.selection.moved(since_ns, until_ns)))

    def by_cgroup(self) -> Iterator[tuple[str | None, Self]]:
        """The part of the trace of each control group, by descending CPU time.

        None is the unknown group. A part is closed when the next is requested.
        """
        groups = self.own(
            "SELECT cgroup FROM main.processes GROUP BY cgroup ORDER BY SUM(cpu_ns) DESC NULLS LAST, cgroup"
        )
        since, until = self.selection.since, self.selection.until
        for (group,) in groups.fetchall():
            with type(self)(self.source.again, since=since, until=until, only_cgroup=group or "") as part:
                yield group, part

    # -- what is asked

    def report(self, name: str, pid: int | Iterable[int] | None = None) -> duckdb.DuckDBPyRelation:
        """The rows of a report, in its order: for all processes, or for one or some.

        Raises BadRequest if there is no such report or process.
        """
        arguments.text("name", name, "'syscalls'")
        if pids := arguments.pid_or_pids("pid", pid):
            return self._kept_part(pids).report(name)
        found = Entry.of(find_report(name))
        self._opened.require([found.name])
        return self._opened.connection.sql(f"SELECT * FROM {found.sql_name}")

    def _kept_part(self, pids: tuple[int, ...]) -> Self:
        """A part that stays open until this trace is closed, as its relations are read later."""
        if pids not in self._parts:
            self._parts[pids] = self.part(pids)
        return self._parts[pids]

    def first_rows(self, name: str, limit: int) -> tuple[duckdb.DuckDBPyRelation, int]:
        """At most so many rows of a report, and how many more it has; read them before anything else.

        Reports with expensive last steps, as their files declare, run these for the requested rows only. Other reports
        are read whole, and have no more. Raises BadRequest.
        """
        rows = self.report(name)
        if not find_report(name).first_rows:
            return rows, 0
        source, exchanged = find_report(name).first_rows
        run = self._opened.connection.execute
        ((total,),) = run(f"SELECT COUNT(*) FROM {source}").fetchall()
        if total <= limit:
            return rows, 0
        run("SET VARIABLE first_rows = $1", [limit])
        all_rows = self._opened.catalog.exchange([Entry.of(few(exchanged))])
        try:
            with self.reading():
                self._opened.catalog.require([exchanged])
                kept = rows.limit(limit).to_arrow_table()
        finally:
            self._opened.catalog.exchange(all_rows)
        return self._opened.connection.from_arrow(kept), total - limit

    def own(self, query: str, values: dict[str, object] | None = None) -> duckdb.DuckDBPyRelation:
        """The rows of one of sysmon's own queries, in which names include the schema.

        `values` are those of its parameters, `$name`.
        """
        self._opened.require(self._opened.catalog.named_in(query))
        return self._opened.connection.sql(query, params=values)

    def view(self, view: View) -> duckdb.DuckDBPyRelation:
        """The rows of one of sysmon's own views that is not in every trace's catalogue."""
        entry = Entry.of(view)
        if entry.name not in self._opened.catalog:
            self._opened.catalog.exchange([entry])
        self._opened.require([entry.name])
        return self._opened.connection.sql(f"SELECT * FROM {entry.sql_name}")

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """The rows of a single query. Raises BadRequest if it does more than read, duckdb.Error if it fails."""
        user_sql.check(self._opened.connection, arguments.text("query", query, "'SELECT * FROM execs'"))
        if user_sql.looks_at_views(query):
            self._opened.make_all()
        self._opened.require(name for name in user_sql.names_in(query) if name in self._opened.catalog)
        with user_sql.absent_tables_told(self._opened.catalog.names):
            return self._opened.connection.sql(query)

    def pivot(
        self, by: Iterable[str] | None = None, measure: str = "time", where: str | None = None
    ) -> duckdb.DuckDBPyRelation:
        """A measure split by some of its dimensions, largest first: `trace.pivot(["comm", "state"], where="pid > 1")`.

        `sysmon pivot --list` shows measures and dimensions; without `by`, the usual ones of the measure are taken.
        Raises BadRequest, also for a `where` that is no condition on dimensions; what is wrong only with values is a
        duckdb.Error when rows are read.
        """
        return self.own(self.pivot_of(by, measure, where).sql)

    def pivot_of(self, by: Iterable[str] | None, measure: str, where: str | None) -> Pivot:
        """The same as a query. Raises BadRequest."""
        names = None if by is None else arguments.texts("by", by, "'comm'")
        measure = arguments.text("measure", measure, "'time'")
        where = arguments.optional_text("where", where, "\"comm = 'bash'\"")
        asked = pivot_of(self._opened.connection, names, measure, where)
        self._opened.require([asked.fact.full_name])
        require_boolean(self._opened.connection, asked)
        return asked

    def rows(self, kinds: tuple[str, ...] = (), *, named: bool = False) -> duckdb.DuckDBPyRelation:
        """Every row of the file, or of some kinds, with all columns, by time and then by place in the file.

        `named`: also what the descriptors of each system call were called.
        """
        named = named and SYSCALL.name in self.metadata["kinds"]
        return self.own(NAMED_ROWS if named else ALL_ROWS, {"kinds": list(arguments.texts("kinds", kinds, "'exec'"))})

    def condition(self, where: str, columns: Iterable[str], option: str = "where") -> str:
        """A condition on these columns, checked and as SQL. Raises BadRequest; `option`: what it was given as."""
        return condition.checked(self._opened.connection, where, tuple(columns), option)

    # -- how

    def interrupt(self) -> None:
        """Ends a running query with duckdb.InterruptException. May be called from another thread."""
        self._opened.interrupt()

    def reading(self) -> AbstractContextManager[None]:
        """Context in which rows are read. Raises BrokenTrace for what DuckDB finds wrong with the file."""
        return self._opened.reading()

    def close(self) -> None:
        """Closes the connection and removes its temporary files. What was not read by then cannot be read any more."""
        self._close_parts()
        self._opened.close()

    def _close_parts(self) -> None:
        for part in self._parts.values():
            part.close()
        self._parts.clear()

    def __enter__(self) -> Self:
        self._opened.require_open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
