"""The table of processes of a recording that still runs, brought up to date by what came.

Beside it is a table of facts: what rows said of each process, less those from which `unfiltered.processes` takes no
column. So nothing is read twice: of the processes that rows came of, the facts that are known and the new ones go
through the same SQL, in a small database of their own, with the names of their parents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from sysmon.analyze.trace import variables, views
from sysmon.analyze.trace.catalog import Catalog, Entry, name_sql
from sysmon.analyze.trace.database import Database
from sysmon.analyze.trace.growing import views as growing_views
from sysmon.analyze.trace.growing.parts import News
from sysmon.analyze.trace.growing.recording import Growing
from sysmon.analyze.trace.growing.segments import Piece
from sysmon.bpf.kinds import KINDS, kind_named
from sysmon.bpf.trace_file import tables

PROCESSES, FACTS, GROUPS = "unfiltered.processes", "unfiltered.process_facts", "unfiltered.cgroup_paths"

ALL_FACTS = "unfiltered.all_process_facts"
"""Of a recording that still runs: in place of the view `process_facts`, which here has those that tell."""

TABLE, FACTS_TABLE = f"kept.{name_sql(PROCESSES)}", f"kept.{name_sql(FACTS)}"

SAYS = ("process", "fork", "exec", "exit", "rename")
"""Kinds whose rows say something of a process."""

SHOWS = ("cpu", "syscall_stats", "syscall_inflight", "peer")
"""Kinds whose rows show that there is one."""

GROUP = "cgroup"

KEY = pa.schema([("pid", pa.uint32()), ("start", pa.uint64())])

SAME = "{0}.pid IS NOT DISTINCT FROM {1}.pid AND {0}.start IS NOT DISTINCT FROM {1}.start"

MOST_FACTS = 8
"""Of a process on average: if there are more, those that do not tell are let go."""

IN_TABLE = f"EXISTS (FROM {TABLE} AS known WHERE {SAME.format('known', 's')})"

IS_TOUCHED = f"EXISTS (FROM touched AS t WHERE {SAME.format('t', 'k')})"


def telling(facts: str) -> str:
    """The facts that decide a column of `processes`, as that view chooses among them: a few of each process."""
    return f"""
WITH told AS (
    SELECT *, place >= MAX(CASE WHEN is_exec THEN place END) OVER (PARTITION BY pid, start) IS NOT FALSE AS of_last
    FROM {facts}
)
SELECT DISTINCT * EXCLUDE (of_last)
FROM told
WINDOW process AS (PARTITION BY pid, start)
QUALIFY place IN (
    MIN(place) OVER process,
    MAX(place) FILTER (is_exec) OVER process,
    MIN(place) FILTER (ppid IS NOT NULL) OVER process,
    MIN(place) FILTER (parent_start IS NOT NULL) OVER process,
    MAX(place) FILTER (uid IS NOT NULL) OVER process,
    MAX(place) FILTER (comm IS NOT NULL) OVER process,
    MIN(place) FILTER (of_last AND path IS NOT NULL) OVER process,
    MIN(place) FILTER (of_last AND argv IS NOT NULL) OVER process,
    MIN(place) FILTER (of_last AND argv_truncated IS NOT NULL) OVER process,
    MIN(place) FILTER (forked IS NOT NULL) OVER process,
    MAX(place) FILTER (exited IS NOT NULL) OVER process,
    MIN(place) FILTER (alive_at_start) OVER process,
    MIN(place) FILTER (alive_at_end) OVER process,
    MIN(place) FILTER (kernel_thread IS NOT NULL) OVER process,
    MAX(place) FILTER (cgroup_id IS NOT NULL) OVER process,
    MIN(place) FILTER (ns_pid IS NOT NULL) OVER process
)
"""


def entries(of_trace: dict[str, Entry], kept: str) -> Iterator[Entry]:
    """In place of those of a trace: both tables, kept until the trace is told to forget them."""
    yield replace(of_trace[PROCESSES], kept=kept)
    yield replace(of_trace[FACTS], name=ALL_FACTS)
    yield replace(of_trace[FACTS], needs=(ALL_FACTS,), body=telling(ALL_FACTS), kept=kept)


class Processes:
    """Keeps both tables of one connection up. Raises what reading raises."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, growing: Growing, files: Callable[[list[Piece]], list[str]]
    ) -> None:
        """`files`: those of row groups."""
        self._connection, self._growing, self._files = connection, growing, files
        self._beside: Database | None = None
        self._filled: set[str] = set()  # tables of the database beside that have rows

    def update(self, news: News) -> None:
        """Takes what the new rows say of processes."""
        rows = {kind: self._rows(kind, news.waiting.get(kind, []), news.pieces.get(kind, [])) for kind in SAYS}
        rows["rename"] = rows["rename"].filter(pc.equal(rows["rename"]["tid"], rows["rename"]["pid"]))
        shown = self._shown(news)
        if GROUP in news.waiting or GROUP in news.pieces:
            self._take_groups()
        if not shown.num_rows and not any(table.num_rows for table in rows.values()):
            return
        rows["cpu"] = growing_views.declared(shown, "cpu")
        self._register("touched", self._touched(rows))
        self._compute(rows)

    def close(self) -> None:
        """Computes nothing any more."""
        if self._beside:
            self._beside.close()

    # -- what came

    def _rows(self, kind: str, waiting: list[pa.Table], pieces: list[Piece]) -> pa.Table:
        """The rows of a kind that wait, and those in row groups."""
        cols = kind_named(kind).cols
        found = [growing_views.waiting_rows({}, kind), *(growing_views.declared(table, kind) for table in waiting)]
        if pieces and (paths := self._files(pieces)):
            columns = ", ".join(views.column_query(col, self._growing.columns) for col in cols)
            query = f"SELECT {columns} FROM read_parquet($1) WHERE kind = $2"
            found.append(growing_views.declared(self._answer(query, [paths, kind]), kind))
        return pa.concat_tables(found)

    def _shown(self, news: News) -> pa.Table:
        """Keys of processes that are not in the table and of which there are rows that say no more."""
        found = [tables.empty(KEY)]
        for kind in SHOWS:
            found += [table.select(KEY.names).cast(KEY) for table in news.waiting.get(kind, [])]
            if (pieces := news.pieces.get(kind)) and (paths := self._files(pieces)):
                query = "SELECT DISTINCT pid, start FROM read_parquet($1) WHERE kind = $2"
                found.append(self._answer(query, [paths, kind]).cast(KEY))
        self._register("shown", _unique(pa.concat_tables(found)))
        return self._answer(f"FROM shown AS s WHERE pid IS NOT NULL AND NOT {IN_TABLE}").cast(KEY)

    def _touched(self, rows: dict[str, pa.Table]) -> pa.Table:
        """Keys of those that these rows are of, and of those that a new one of these may be the parent of."""
        keys = _unique(pa.concat_tables(table.select(KEY.names).cast(KEY) for table in rows.values()))
        self._register("said", keys)
        return self._answer(f"""
            FROM said UNION
            SELECT k.pid, k.start FROM {TABLE} AS k, said AS s
            WHERE k.ppid = s.pid AND k.start >= s.start AND NOT {IN_TABLE}
        """).cast(KEY)

    def _take_groups(self) -> None:
        """Paths of control groups, also of those that came later than processes in them."""
        waiting = self._growing.waiting
        rows = self._rows(GROUP, [waiting[GROUP]] if GROUP in waiting else [], self._growing.pieces_of(GROUP))
        self._register("paths", rows)
        self._connection.execute(f"""
            UPDATE {TABLE} AS k SET cgroup = g.path
            FROM (SELECT cgroup_id, MAX(cgroup_path) AS path FROM paths GROUP BY cgroup_id) AS g
            WHERE k.cgroup_id = g.cgroup_id AND k.cgroup IS DISTINCT FROM g.path
        """)
        self._fill(GROUP, rows)

    # -- what becomes of it

    def _compute(self, rows: dict[str, pa.Table]) -> None:
        """Brings both tables up to date for those that are touched."""
        for kind, table in rows.items():
            self._fill(kind, table)
        known = self._answer(f"SELECT * FROM {FACTS_TABLE} AS k WHERE {IS_TOUCHED}")
        self._fill("facts", known)
        self._filled.add("facts")
        beside = self._database()
        beside.execute(f"DELETE FROM rows.new; INSERT INTO rows.new FROM {ALL_FACTS} EXCEPT FROM rows.facts")
        new = beside.sql("FROM rows.new").to_arrow_table()
        beside.execute("INSERT INTO rows.facts FROM rows.new")
        if many := known.num_rows + new.num_rows > MOST_FACTS * self._answer("FROM touched").num_rows:
            new = beside.sql(f"FROM {FACTS}").to_arrow_table()
        self._register("ppids", beside.sql("SELECT DISTINCT ppid FROM rows.facts").to_arrow_table())
        parents = self._answer(f"""
            SELECT pid, start, 0 AS place, FALSE AS is_exec, comm FROM {TABLE} AS k
            WHERE pid IN (SELECT ppid FROM ppids) AND NOT {IS_TOUCHED}
        """)
        beside.register("given", parents)
        beside.execute("INSERT INTO rows.facts BY NAME FROM given")
        self._put(beside.sql(f"FROM {PROCESSES}").to_arrow_table(), new, instead=many)

    def _put(self, processes: pa.Table, facts: pa.Table, instead: bool) -> None:
        """`instead`: of those that are known."""
        self._register("found", processes)
        self._register("facts", facts)
        self._connection.execute(f"""
            BEGIN;
            DELETE FROM {TABLE} AS k WHERE {IS_TOUCHED};
            INSERT INTO {TABLE} FROM found AS k WHERE {IS_TOUCHED};
            UPDATE {TABLE} AS k SET parent_comm = f.comm FROM found AS f
            WHERE k.ppid = f.pid AND k.parent_start = f.start AND k.parent_comm IS DISTINCT FROM f.comm;
            {f"DELETE FROM {FACTS_TABLE} AS k WHERE {IS_TOUCHED};" if instead else ""}
            INSERT INTO {FACTS_TABLE} FROM facts;
            COMMIT
        """)

    # -- the database beside

    def _fill(self, kind: str, rows: pa.Table) -> None:
        """Puts these rows in place of those of a table."""
        beside = self._database()
        if kind in self._filled:
            beside.execute(f"DELETE FROM rows.{kind}")
        self._filled.discard(kind)
        if rows.num_rows:
            beside.register("given", rows)
            beside.execute(f"INSERT INTO rows.{kind} FROM given")
            self._filled.add(kind)

    def _database(self) -> duckdb.DuckDBPyConnection:
        if not self._beside:
            self._beside = Database()
            connection = self._beside.connection
            # So few rows are faster on one CPU than shared out.
            connection.execute("SET TimeZone = 'UTC'; SET threads = 1; SET enable_external_access = false")
            connection.execute("CREATE SCHEMA rows")
            for kind in KINDS:  # tables, as DuckDB plans a query of Arrow tables five times as long
                connection.register("given", growing_views.waiting_rows({}, kind.name))
                connection.execute(f"CREATE TABLE rows.{kind.name} AS FROM given")
            variables.of_window(connection, (), None, None)
            variables.of_recording(connection, self._growing.recording)
            catalog = Catalog(connection, _entries())
            catalog.require([ALL_FACTS], keep=False)
            connection.execute(f"CREATE TABLE rows.facts AS FROM {ALL_FACTS}; CREATE TABLE rows.new AS FROM rows.facts")
            catalog.require([PROCESSES, FACTS], keep=False)
            self._take_groups()
        return self._beside.connection

    def _register(self, name: str, table: pa.Table) -> None:
        self._connection.register(name, table)

    def _answer(self, query: str, values: list[object] | None = None) -> pa.Table:
        return self._connection.sql(query, params=values or []).to_arrow_table()


def _entries() -> Iterator[Entry]:
    """Those of a trace whose rows are in tables."""
    of_trace = {entry.name: entry for entry in views.all_of_a_trace(lambda kind: f"FROM rows.{kind.name}")}
    facts = of_trace[FACTS]
    of_trace[ALL_FACTS] = replace(facts, name=ALL_FACTS)
    of_trace[FACTS] = replace(facts, needs=(), columns=(), body=telling("rows.facts"))
    yield from (entry for name, entry in of_trace.items() if name not in growing_views.STORED)


def _unique(keys: pa.Table) -> pa.Table:
    return keys.group_by(KEY.names).aggregate([]).cast(KEY)
