"""An open trace: a DuckDB connection that can access the trace's views and nothing else on the machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa

from sysmon.analyze.strace import function
from sysmon.analyze.trace import arguments, sandbox, user_sql, variables, views
from sysmon.analyze.trace.catalog import Catalog, Entry
from sysmon.analyze.trace.database import Database
from sysmon.analyze.trace.dataset import Dataset, find
from sysmon.analyze.trace.facts import facts
from sysmon.analyze.trace.growing.parts import News
from sysmon.analyze.trace.growing.processes import PROCESSES
from sysmon.analyze.trace.growing.recording import Growing
from sysmon.analyze.trace.growing.relations import FOLLOWED, Relations
from sysmon.analyze.trace.growing.views import HERE
from sysmon.analyze.trace.pivot import Pivot, pivot_of, require_boolean
from sysmon.analyze.trace.reports import find_report, reports
from sysmon.analyze.trace.rules import few, shared_by
from sysmon.analyze.trace.selection import Selection, pick
from sysmon.analyze.trace.sqlfile import View
from sysmon.bpf.kinds import KINDS
from sysmon.bpf.trace_file import schema
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.safe_text import one_line

ALL_ROWS = """
SELECT * EXCLUDE (row_number)
FROM unfiltered.trace
WHERE len($kinds) = 0 OR list_contains($kinds, kind)
ORDER BY ts NULLS LAST, row_number
"""


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
    ) -> None:
        """`path`: of a file, a pattern for the files of one recording, or a table with a trace's metadata.

        While it is still being recorded, the trace has what was committed so far; `refresh` takes what comes.

        `cgroups` are paths, each including the groups below; `only_cgroup` is a single one, '' the unknown. `command`:
        the processes of the command that was recorded.
        """
        self.selection = Selection(
            arguments.optional_text("since", since, AN_INSTANT),
            arguments.optional_text("until", until, AN_INSTANT),
            arguments.pids("pids", pids),
            arguments.texts("comms", comms, "'bash'"),
            tuple("/" + c.strip("/") for c in arguments.texts("cgroups", cgroups, "'/system.slice'")),
            only_cgroup,
            bool(command),
        )
        self.source: Dataset | Growing = find(path if isinstance(path, Growing) else arguments.trace_path("path", path))
        self._relations: Relations | None = None
        self._parts: dict[tuple[int, ...], Self] = {}
        self._documented = False
        try:
            self.selection.window_ns(self.metadata["started_ns"])  # before creating anything for an empty window
            self._database = Database()
        except BaseException:
            self.source.discard()
            raise
        try:
            with self.reading():
                self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        connection = self._database.connection
        self._relations = Relations(self._database, self.source) if isinstance(self.source, Growing) else None
        entries = self._relations.entries() if self._relations else self._entries_of_files()
        function.add_to(connection, self.source.held)
        before = self._relations.before if self._relations else None
        self._open_catalog = Catalog(connection, (*entries, *map(Entry.of, shared_by())), before)
        variables.of_recording(connection, self.metadata)
        self._set_window(self.selection)
        self._choose()
        connection.execute("SET lock_configuration = true")

    @property
    def _catalog(self) -> Catalog:
        """What the trace is asked by. Raises BadRequest if it is closed."""
        self._database.require_open()
        return self._open_catalog

    def _entries_of_files(self) -> Iterator[Entry]:
        """What reads the file, the files or the table, and all that is made of it."""
        assert isinstance(self.source, Dataset)
        sandbox.lock_in(self._database, self.source.opened)
        of = views.ONE_FILE if len(self.source.files) == 1 else views.FILES
        if self.source.table is not None:
            of = views.TABLE
            self._database.connection.register(views.TABLE_NAME, self.source.table)
        stored = views.file_query(schema.all_columns(), sandbox.present(self._database, of, self._shown), of)
        yield Entry("unfiltered.stored", (), stored)
        yield from views.all_of_a_trace()

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
            self._catalog.forget("window")
            self._set_window(selection)

    def refresh(self) -> int:
        """Takes what a recording that still runs has committed since, and does not wait; how many rows are new.

        What was computed is computed again when it is next asked for, as after `move`. When the recording has ended,
        this is the trace of the file that it has become: relations that were not read yet are to be asked for again.
        Of a recorder that was killed `metadata["stopped_by"]` says so. Of a file that is finished nothing is new: 0.
        """
        self._database.require_open()
        if not isinstance(self.source, Growing):
            return 0
        news = self.source.refresh()
        if news.finished:
            return self._go_on(news.finished)
        if news.committed or news.parts_gone:
            self._close_parts()
            with self.reading():
                self._take(news)
        return news.rows

    def _take(self, news: News) -> None:
        assert self._relations
        for kept in ("window", "recording", *([FOLLOWED] if news.parts_gone else [])):
            self._catalog.forget(kept)
        variables.of_recording(self._database.connection, self.metadata)
        self._relations.refresh(news, self._catalog.in_use(), self._catalog.keeps(PROCESSES))
        if self.selection.of_some:
            self._choose()

    def _go_on(self, path: Path) -> int:
        """The recording has become this file."""
        before = sum(self.metadata["rows"].values())
        made = find(path)
        self._close_parts()
        self._close_database()
        self.source, self._documented = made, False
        self._database = Database()
        with self.reading():
            self._open()
        return max(0, sum(self.metadata["rows"].values()) - before)

    def _set_window(self, selection: Selection) -> None:
        self.selection = selection
        self.since_ns, self.until_ns = selection.window_ns(self.metadata["started_ns"])
        variables.of_window(self._database.connection, selection.window_words, self.since_ns, self.until_ns)
        self._catalog.exchange([views.callers_here(cut=self.since_ns is not None or self.until_ns is not None)])
        if self._relations:
            self._relations.move(self.since_ns, self.until_ns, self._catalog.in_use())

    def _choose(self) -> None:
        if self.selection.of_some:
            of_command = ["unfiltered.command_processes"] if self.selection.command else []
            self._catalog.require(["unfiltered.processes", *of_command])
            pick(self._database.connection, self.selection, self._shown)
        rows = HERE if self._relations else "unfiltered"
        self._catalog.exchange(views.of_processes(self.selection.of_some, rows))

    def part(self, pids: tuple[int, ...]) -> Self:
        """The same window with only these processes, as a trace to be closed by itself. Raises BadRequest."""
        self._database.require_open()
        return type(self)(self._again, since=self.selection.since, until=self.selection.until, pids=pids)

    @property
    def _again(self) -> Path | pa.Table | Growing:
        """The arguments that open the same again."""
        if isinstance(self.source, Growing):
            return self.source
        return self.source.path if self.source.table is None else self.source.table

    def by_cgroup(self) -> Iterator[tuple[str | None, Self]]:
        """The part of the trace of each control group, by descending CPU time.

        None is the unknown group. A part is closed when the next is requested.
        """
        groups = self.own(
            "SELECT cgroup FROM main.processes GROUP BY cgroup ORDER BY SUM(cpu_ns) DESC NULLS LAST, cgroup"
        )
        since, until = self.selection.since, self.selection.until
        for (group,) in groups.fetchall():
            with type(self)(self._again, since=since, until=until, only_cgroup=group or "") as part:
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
        self._require([found.name])
        return self._database.connection.sql(f"SELECT * FROM {found.sql_name}")

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
        run = self._database.connection.execute
        ((total,),) = run(f"SELECT COUNT(*) FROM {source}").fetchall()
        if total <= limit:
            return rows, 0
        run("SET VARIABLE first_rows = $1", [limit])
        all_rows = self._catalog.exchange([Entry.of(few(exchanged))])
        try:
            with self.reading():
                self._catalog.require([exchanged])
                kept = rows.limit(limit).to_arrow_table()
        finally:
            self._catalog.exchange(all_rows)
        return self._database.connection.from_arrow(kept), total - limit

    def own(self, query: str, values: dict[str, object] | None = None) -> duckdb.DuckDBPyRelation:
        """The rows of one of sysmon's own queries, in which names include the schema.

        `values` are those of its parameters, `$name`.
        """
        self._require(self._catalog.named_in(query))
        return self._database.connection.sql(query, params=values)

    def view(self, view: View) -> duckdb.DuckDBPyRelation:
        """The rows of one of sysmon's own views that is not in every trace's catalogue."""
        entry = Entry.of(view)
        if entry.name not in self._catalog:
            self._catalog.exchange([entry])
        self._require([entry.name])
        return self._database.connection.sql(f"SELECT * FROM {entry.sql_name}")

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """The rows of a single query. Raises BadRequest if it does more than read, duckdb.Error if it fails."""
        user_sql.check(self._database.connection, arguments.text("query", query, "'SELECT * FROM execs'"))
        if user_sql.looks_at_views(query):
            self._make_all()
        self._require(name for name in user_sql.names_in(query) if name in self._catalog)
        with user_sql.absent_tables_told(self._catalog.names):
            return self._database.connection.sql(query)

    def pivot(self, by: Iterable[str], measure: str = "time", where: str | None = None) -> duckdb.DuckDBPyRelation:
        """A measure split by some of its dimensions, largest first: `trace.pivot(["comm", "state"], where="pid > 1")`.

        `sysmon pivot --list` shows measures and dimensions. Raises BadRequest, also for a `where` that is no condition
        on dimensions; what is wrong only with values is a duckdb.Error when rows are read.
        """
        return self.own(self.pivot_of(by, measure, where).sql)

    def pivot_of(self, by: Iterable[str], measure: str, where: str | None) -> Pivot:
        """The same as a query. Raises BadRequest."""
        names, measure = arguments.texts("by", by, "'comm'"), arguments.text("measure", measure, "'time'")
        where = arguments.optional_text("where", where, "\"comm = 'bash'\"")
        asked = pivot_of(self._database.connection, names, measure, where)
        self._require([asked.fact.full_name])
        require_boolean(self._database.connection, asked)
        return asked

    def rows(self, kinds: tuple[str, ...] = ()) -> duckdb.DuckDBPyRelation:
        """Every row of the file, or of some kinds, with all columns, by time and then by place in the file."""
        return self.own(ALL_ROWS, {"kinds": list(arguments.texts("kinds", kinds, "'exec'"))})

    # -- how

    def _require(self, names: Iterable[str]) -> None:
        with self.reading():
            again = self._catalog.require(names)
            if self._documented and again:  # a replaced view loses its comments
                self._database.connection.execute(";".join(_comments()))

    def _make_all(self) -> None:
        """Creates everything that a query can name, with its documentation, but computes nothing yet."""
        if self._documented:
            return
        self._documented = True
        with self.reading():
            # Computing them takes a second; planning them as views of views of views takes DuckDB eight.
            self._catalog.require(["report.findings"])
            self._catalog.require([n for n in self._catalog.names if not n.startswith("finding.")], keep=False)
            # The comments take 30 ms in one transaction, and 85 ms with a transaction each.
            self._database.connection.execute(";".join(["BEGIN", *_comments(), "COMMIT"]))

    def reading(self) -> AbstractContextManager[None]:
        """Context in which rows are read. Raises BrokenTrace for what DuckDB finds wrong with the file."""
        return sandbox.reading(self._shown)

    @property
    def _shown(self) -> str:
        return one_line(str(self.source.path))

    def close(self) -> None:
        """Closes the connection and removes its temporary files. What was not read by then cannot be read any more."""
        self._close_parts()
        self._close_database()

    def _close_parts(self) -> None:
        for part in self._parts.values():
            part.close()
        self._parts.clear()

    def _close_database(self) -> None:
        if self._relations:
            self._relations.close()
        self._database.close()
        self.source.discard()

    def __enter__(self) -> Self:
        self._database.require_open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _comments() -> list[str]:
    out = [s for kind in KINDS for s in views.kind_comments(kind)]
    for view in (*views.shown(), *reports(), *facts()):
        out += views.view_comments(view)
    return out
