"""The SQL that makes views of a trace: from the declarations in `bpf`, and from the files in `sql/views`.

Every identifier and text here is sysmon's own. What a user types or a trace holds is passed as DuckDB variables:

    trace              path of the file
    since, until       the window [timestamp], NULL if none
    started, …         from the metadata; the view `recording` shows them

Schemas: `unfiltered` has everything in the file; `main` has what scripts use, restricted to the window and the selected
processes; `everyone` has the same of all processes, for questions about who waits for whom; `windowed` has kinds as
they are before a file in `sql/views` adds to them; `report` has the reports; `finding` has the rules of findings, and
the tables they share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from sysmon.analyze.trace.catalog import Entry, name_sql
from sysmon.analyze.trace.sqlfile import DIRECTORY, Column, Macro, View, read_macro, read_view
from sysmon.bpf.kind import Col, Kind
from sysmon.bpf.kinds import KINDS
from sysmon.bpf.trace_file import schema
from sysmon.bpf.types import TYPES

PLACE = "file_row_number"
"""DuckDB's name for the place of a row in its file. A column of this name in the file would hide it."""

LENGTHS = {
    "VARCHAR": "strlen({0})",
    "BLOB": "octet_length({0})",
    "VARCHAR[]": "list_sum(list_transform({0}, lambda a: 1 + COALESCE(strlen(a), 0)))",
}
"""Types of text → SQL for the size of a value [bytes]; in a list each item counts one more."""

PROCESS_KEY = Column("process_key", "What identifies the process: a struct of `pid` and `start`.")
"""A further column of each view whose rows are about a process, for SQL to join, group and partition by."""

EVERYONE = "everyone"
"""The schema of the window of all processes. A file in `sql/views` for it is also the view of that name in `main`."""

IS_PICKED = "EXISTS (SELECT 1 FROM unfiltered.picked AS p WHERE p.process_key = k.process_key)"
"""Whether the row `k` is about a picked process."""

WIDE = "SELECT * REPLACE ({} AS kind) FROM unfiltered.stored"
"""The query of `unfiltered.trace`: the same rows as `stored`, of all kinds."""


@cache
def derived() -> tuple[View, ...]:
    """The views of a trace that are written in SQL."""
    return tuple(read_view(path) for path in sorted((DIRECTORY / "views").glob("*.sql")))


@cache
def shown() -> tuple[View, ...]:
    """The same as users see them."""
    return tuple(replace(view, schema="main") if view.schema == EVERYONE else view for view in derived())


@cache
def macros() -> tuple[Macro, ...]:
    """The SQL functions."""
    return tuple(read_macro(path) for path in sorted((DIRECTORY / "macros").glob("*.sql")))


def all_of_a_trace(rows_of: Callable[[Kind], str]) -> Iterator[Entry]:
    """Each view and macro, for a trace without a selection. `rows_of`: the query of a kind's rows."""
    yield Entry("unfiltered.trace", ("unfiltered.stored",), WIDE.format(bounded(schema.KIND_COL)))
    yield Entry("windowed.stored", ("unfiltered.stored",), "SELECT * FROM unfiltered.stored")
    yield from (Entry.of(macro) for macro in macros())
    yield from (Entry.of(view) for view in derived())
    yield from (of_kind("unfiltered", kind, rows_of(kind)) for kind in KINDS)
    needs = ("unfiltered.process_key", "unfiltered.syscall_stats")
    yield Entry("unfiltered.callers", needs, CALLERS.format("unfiltered"), kept="recording")
    yield from of_processes(picked=False)
    yield callers_here(cut=False)


def of_processes(picked: bool, rows: str = "unfiltered") -> Iterator[Entry]:
    """The views that read whose processes were asked for: of all, or of those in `unfiltered.picked`.

    `rows`: the schema in which each kind has at least the rows of the window.
    """
    where = f" WHERE {IS_PICKED}" if picked else ""
    yield Entry("unfiltered.selected", ("unfiltered.processes",), f"SELECT * FROM unfiltered.processes AS k{where}")
    for kind in KINDS:
        needs = (f"{rows}.{kind.view}",)
        yield Entry(f"{schema_of(kind)}.{kind.view}", needs, filtered_query(kind, picked, rows))
        yield Entry(f"{EVERYONE}.{kind.view}", needs, filtered_query(kind, False, rows))
    for view in derived():
        if view.schema == EVERYONE:
            yield Entry(f"main.{view.name}", (view.full_name,), f"SELECT * FROM {view.full_name} AS k{where}")


def callers_here(cut: bool) -> Entry:
    """Who made system calls in the window: one table with `unfiltered.callers` if the trace is not cut."""
    if not cut:
        return Entry("windowed.callers", ("unfiltered.callers",), "FROM unfiltered.callers")
    needs = ("main.syscall_stats", "unfiltered.process_key")
    return Entry("windowed.callers", needs, CALLERS.format("main"), kept="window")


def text_sql(text: str) -> str:
    """One of our own texts as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class Relation:
    """Where rows come from, in SQL: the relation, and the expressions that number its rows in order."""

    sql: str
    row_number: str
    of_files: bool = False  # of one recording, in the order of time, which the column `file_index` tells


ONE_FILE = Relation("read_parquet(getvariable('trace'))", PLACE)

FILES = Relation(
    "read_parquet(getvariable('trace'), union_by_name = true)",
    f"(CAST(file_index AS BIGINT) << 40) + {PLACE}",
    of_files=True,
)

TABLE_NAME = "rows_in_memory"

TABLE = Relation(TABLE_NAME, "ROW_NUMBER() OVER ()")

EDGE = """CASE
    WHEN file_index = 0 THEN CASE edge WHEN 'both' THEN 'start' WHEN 'end' THEN NULL ELSE edge END
    WHEN file_index = len(getvariable('trace')) - 1
        THEN CASE edge WHEN 'both' THEN 'end' WHEN 'start' THEN NULL ELSE edge END
END"""
"""The ends of a recording in several files; those of a file in the middle do not count."""

IS_LAST = f"({EDGE}) IS NOT NULL"
"""Of a call in flight: one where a file ends and the next begins is counted where it returned."""


def stored_query(present: frozenset[str], of: Relation) -> str:
    """The query of `unfiltered.stored`: rows as they are, with NULL for columns that a trace of an older version lacks.

    A text that is too long is an error, except in `kind`, whose stored values let row groups be skipped.
    """
    cols = [col for col in schema.all_columns() if col != schema.KIND_COL]
    items = ", ".join(_stored(col, present, of) for col in cols)
    where = f" WHERE kind <> 'syscall_inflight' OR {IS_LAST}" if _is_cut(present, of) else ""
    return f"SELECT kind, {items}, {of.row_number} AS row_number FROM {of.sql}{where}"


def kind_query(kind: Kind, present: frozenset[str], of: Relation) -> str:
    """The query of one kind's rows. It names no other columns, as planning a query takes longer with each."""
    items = ", ".join(_stored(col, present, of) for col in kind.cols)
    cut = f" AND {IS_LAST}" if kind.name == "syscall_inflight" and _is_cut(present, of) else ""
    return f"SELECT {items} FROM {of.sql} WHERE kind = {text_sql(kind.name)}{cut}"


def _stored(col: Col, present: frozenset[str], of: Relation) -> str:
    return f"{EDGE} AS edge" if col.name == "edge" and _is_cut(present, of) else column_query(col, present)


def _is_cut(present: frozenset[str], of: Relation) -> bool:
    """Whether the rows are in several files, each with its own ends."""
    return of.of_files and "edge" in present


def column_query(col: Col, present: frozenset[str]) -> str:
    """The column of a relation with its name, NULL if that has none of it."""
    found = bounded(col) if col.name in present else f"CAST(NULL AS {TYPES[col.type].duckdb})"
    return f"{found} AS {name_sql(col.name)}"


def bounded(col: Col) -> str:
    """The column; reading it is an error if a text in it is longer than any that is recorded."""
    name, of = name_sql(col.name), TYPES[col.type]
    if not of.most_bytes:
        return name
    length, most = LENGTHS[of.duckdb].format(name), of.most_bytes
    told = text_sql(f"column {col.name} has a text of more than {most} bytes, which no recording has")
    return f"CASE WHEN {length} > {most} THEN error({told}) ELSE {name} END"


def is_of_processes(kind: Kind) -> bool:
    """Whether rows of the kind are about one process."""
    return {"pid", "start"} <= {c.name for c in kind.cols}


def of_kind(space: str, kind: Kind, query: str) -> Entry:
    """The view of a kind's rows, with the key of the process that a row is of."""
    name = f"{space}.{kind.view}"
    if not is_of_processes(kind):
        return Entry(name, (), query)
    key = f"unfiltered.process_key(pid, start) AS {PROCESS_KEY.name}"
    return Entry(name, ("unfiltered.process_key",), f"SELECT *, {key} FROM ({query})")


def schema_of(kind: Kind) -> str:
    """The schema of the view of a kind's rows in the window: `windowed` if a file in `sql/views` adds to it."""
    return "windowed" if any(v.name == kind.view and v.schema == "main" for v in derived()) else "main"


def filtered_query(kind: Kind, picked: bool, rows: str = "unfiltered") -> str:
    """The query of the view of one kind's rows in the window and of the picked processes.

    An event at the window's first instant is in it. A row that counts an interval is in the window in which that
    interval ends, so that cutting a trace into windows changes no total. NULL means no limit: DuckDB evaluates that
    before it reads, and uses the rest of the condition to skip row groups.
    """
    low, high = (">", "<=") if kind.of_interval else (">=", "<")
    conditions = [
        f"({getvariable} IS NULL OR ts {sign} {getvariable})"
        for getvariable, sign in (("getvariable('since')", low), ("getvariable('until')", high))
    ]
    if picked and is_of_processes(kind):
        conditions.append(IS_PICKED)
    return f"SELECT * FROM {rows}.{name_sql(kind.view)} AS k WHERE {' AND '.join(conditions)}"


CALLERS = (
    "SELECT pid, start, SUM(calls) AS calls, unfiltered.process_key(pid, start) AS process_key FROM {}.syscall_stats "
    "GROUP BY pid, start"
)
"""Who made system calls, and how many. Grouped by the pair that the key is of: see `process_key.sql`."""

PICK = (
    "CREATE OR REPLACE TABLE unfiltered.picked AS SELECT process_key FROM unfiltered.processes "
    "WHERE list_contains($pids, pid) OR list_contains($comms, comm) OR list_contains($groups, COALESCE(cgroup, '')) "
    "OR len(list_filter($trees, lambda g: cgroup = g OR starts_with(cgroup, rtrim(g, '/') || '/'))) > 0"
)
"""The selected processes, as a table, since it is used many times.

Selected by pid, by last known name, by one control group, or by control groups including those below.
"""

PICK_COMMAND = f"{PICK} OR process_key IN (SELECT process_key FROM unfiltered.command_processes)"
"""With the command's processes."""

FOLLOW = """
INSERT INTO unfiltered.picked
WITH RECURSIVE descendants AS (
    SELECT process_key FROM unfiltered.picked
    UNION
    SELECT child.process_key
    FROM descendants AS d
    JOIN unfiltered.processes AS child ON child.parent_key = d.process_key
)
FROM descendants
WHERE process_key NOT IN (FROM unfiltered.picked)
"""
"""With their descendants. UNION takes each once, so that it ends in a damaged trace, too, in which a process descends
from itself."""


def comments(schema: str, view: str, doc: str, cols: tuple[tuple[str, str], ...]) -> list[str]:
    """Statements that add the docs as comments, visible in duckdb_views() and duckdb_columns()."""
    target = f"{schema}.{name_sql(view)}"
    return [
        f"COMMENT ON VIEW {target} IS {text_sql(doc)}",
        *(f"COMMENT ON COLUMN {target}.{name_sql(n)} IS {text_sql(d)}" for n, d in cols),
    ]


def kind_comments(kind: Kind) -> list[str]:
    """Comments for the kind's view in `main`."""
    if any(v.name == kind.view and v.schema == "main" for v in derived()):
        return []
    cols = [(c.name, f"{c.doc} [{c.unit}]" if c.unit else c.doc) for c in kind.cols]
    if is_of_processes(kind):
        cols.append((PROCESS_KEY.name, PROCESS_KEY.doc))
    return comments("main", kind.view, kind.doc, tuple(cols))


def view_comments(view: View) -> list[str]:
    """Comments for a view that is written in SQL."""
    return comments(view.schema, view.name, f"{view.title}. {view.doc}", tuple((c.name, c.doc) for c in view.columns))
