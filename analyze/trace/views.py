"""The SQL that makes views of a trace: from the declarations in `bpf`, and from the files in `sql/views`.

Every identifier and every text here is sysmon's own. What a user asks for or a trace says goes in as DuckDB variables:

    trace              path of the file
    since, until       the window [timestamp], NULL if none
    started, …         what the metadata says; the view `recording` shows them

Schemas: `unfiltered` holds all that is in the file; `main` holds what scripts use, in the window and for the processes
asked for; `windowed` holds kinds as they are before a file in `sql/views` adds to them; `report` holds the reports;
`finding` holds the rules of findings, and what they share as tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from sysmon.analyze.trace.sqlfile import DIRECTORY, View, read_view
from sysmon.bpf.kind import Col, Kind
from sysmon.bpf.kinds import KINDS
from sysmon.bpf.trace_file import schema

TYPES = {
    "u8": "UTINYINT",
    "u16": "USMALLINT",
    "u32": "UINTEGER",
    "u64": "UBIGINT",
    "s32": "INTEGER",
    "s64": "BIGINT",
    "bool": "BOOLEAN",
    "time": "TIMESTAMPTZ_NS",
    "start": "UBIGINT",
    "comm": "VARCHAR",
    "text": "VARCHAR",
    "bytes": "VARCHAR",
    "choice": "VARCHAR",
    "names": "VARCHAR",
    "address": "VARCHAR",
    "binary": "BLOB",
    "argv": "VARCHAR[]",
}
"""Column type of a declaration → what DuckDB calls the type that such a column has in the file."""

PLACE = "file_row_number"
"""What DuckDB calls the place of a row in its file. A column of this name in the file would stand in its way."""

LENGTHS = {
    "VARCHAR": "strlen({0})",
    "BLOB": "octet_length({0})",
    "VARCHAR[]": "list_sum(list_transform({0}, lambda a: 1 + COALESCE(strlen(a), 0)))",
}
"""Types of text → SQL: how many bytes a column holds; of a list each item counts for one more."""

TEXT_BYTES = {"bytes": 20 << 10, "names": 20 << 10, "argv": 20 << 10, "binary": 8 << 10}
NAME_BYTES = 2 << 10
"""The most that a text of a column of this type may have, and of all others. What recorders write is smaller: at most
4096 bytes of a path or of arguments, of which each may stand there as \\xNN, and names of a few dozen. So a row has a
bound, and with it whatever is read of a trace, also where a file of a megabyte stands for gigabytes."""

IS_PICKED = "EXISTS (SELECT 1 FROM unfiltered.picked AS p WHERE p.pid = k.pid AND p.start IS NOT DISTINCT FROM k.start)"
"""Whether the row `k` is of a picked process. A start that is unknown is equal to itself here."""


@cache
def derived() -> tuple[View, ...]:
    """The views that are written in SQL, each after those that it reads."""
    names = (
        "recording",
        "snapshots",
        "unfiltered.processes",
        "processes",
        "exits",
        "host",
        "syscall_latencies",
        "opens",
        "file_ops",
        "execs",
    )
    return tuple(read_view(DIRECTORY / "views" / f"{name}.sql") for name in names)


def all_of_a_trace(since: bool, until: bool, picked: bool) -> Iterator[tuple[str, str, str]]:
    """Schema, name and statement of each view and macro over `unfiltered.stored`; each but reads what others make.

    `since`, `until`: whether the window has this limit; `picked`: whether only some processes were asked for.
    """
    yield "unfiltered", "trace", wide_view()
    for path in sorted((DIRECTORY / "macros").glob("*.sql")):
        yield "unfiltered", path.stem, path.read_text(encoding="utf-8")
    for kind in KINDS:
        yield "unfiltered", kind.view, kind_view(kind)
        yield _schema_of(kind), kind.view, filtered_view(kind, since, until, picked)
    for view in derived():
        yield view.schema, view.name, view.sql
    yield "unfiltered", "callers", CALLERS
    yield "unfiltered", "selected", selected_view(picked)
    yield "windowed", "callers", callers_here(since or until)


def name_sql(name: str) -> str:
    """A name of ours as an SQL identifier; some, such as `where`, are keywords."""
    return '"' + name.replace('"', '""') + '"'


def text_sql(text: str) -> str:
    """A text of ours as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def file_view(cols: tuple[Col, ...], present: frozenset[str]) -> str:
    """`unfiltered.stored`: the file as it is, with NULL for columns that a trace of an older version does not have.

    A text that is too long is an error, but of `kind`: row groups are skipped by what it is in the file.
    """
    items = [
        f"{_bounded(c) if c.name in present else f'CAST(NULL AS {TYPES[c.type]})'} AS {name_sql(c.name)}"
        for c in cols
        if c.name != schema.KIND_COL.name
    ]
    return (
        f"CREATE VIEW unfiltered.stored AS SELECT kind, {', '.join(items)}, {PLACE} AS row_number "
        f"FROM read_parquet(getvariable('trace'), {PLACE} = true)"
    )


def wide_view() -> str:
    """`unfiltered.trace`: the same rows for whoever wants all kinds."""
    return (
        f"CREATE VIEW unfiltered.trace AS SELECT * REPLACE ({_bounded(schema.KIND_COL)} AS kind) FROM unfiltered.stored"
    )


def _bounded(col: Col) -> str:
    """The column, or the error that a text in it is longer than any that is recorded, if the column is read."""
    name, of = name_sql(col.name), TYPES[col.type]
    if of not in LENGTHS:
        return name
    length, most = LENGTHS[of].format(name), TEXT_BYTES.get(col.type, NAME_BYTES)
    told = text_sql(f"column {col.name} has a text of more than {most} bytes, which no recording has")
    return f"CASE WHEN {length} > {most} THEN error({told}) ELSE {name} END"


def kind_view(kind: Kind) -> str:
    """The view in `unfiltered` of one kind's rows."""
    cols = ", ".join(name_sql(c.name) for c in kind.cols)
    return (
        f"CREATE VIEW unfiltered.{name_sql(kind.view)} AS SELECT {cols} "
        f"FROM unfiltered.stored WHERE kind = {text_sql(kind.name)}"
    )


def _schema_of(kind: Kind) -> str:
    """Where the view of a kind's rows in the window is: in `windowed` if a file in `sql/views` adds to it."""
    return "windowed" if any(v.name == kind.view and v.schema == "main" for v in derived()) else "main"


def filtered_view(kind: Kind, since: bool, until: bool, picked: bool) -> str:
    """The view of one kind's rows in the window and of the picked processes, in `windowed` if a file builds on it.

    An event at the window's first instant is in it. A row that counts an interval is in the window in which that
    interval ends, so that cutting a trace into windows changes no total.
    """
    names = {c.name for c in kind.cols}
    low, high = (">", "<=") if kind.of_interval else (">=", "<")
    conditions = []
    if since:
        conditions.append(f"ts {low} getvariable('since')")
    if until:
        conditions.append(f"ts {high} getvariable('until')")
    if picked and {"pid", "start"} <= names:
        conditions.append(IS_PICKED)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    name = name_sql(kind.view)
    return f"CREATE VIEW {_schema_of(kind)}.{name} AS SELECT * FROM unfiltered.{name} AS k{where}"


def table_sql(view: View) -> str:
    """The statement of the view's file as one that makes a table of the same name and columns."""
    return view.sql.replace("CREATE VIEW", "CREATE TABLE", 1)


def instead_sql(view: View) -> str:
    """The statement of the view's file as one that takes the place of a view of the same name."""
    return view.sql.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1)


def selected_view(picked: bool) -> str:
    """`unfiltered.selected`: the processes asked for, or all."""
    where = f" WHERE {IS_PICKED}" if picked else ""
    return f"CREATE VIEW unfiltered.selected AS SELECT * FROM unfiltered.processes AS k{where}"


CALLERS = (
    "CREATE VIEW unfiltered.callers AS SELECT pid, start, SUM(calls) AS calls FROM unfiltered.syscall_stats "
    "GROUP BY pid, start"
)
"""Who made system calls, and how many."""


def callers_here(cut: bool) -> str:
    """`windowed.callers`: the same of the window, which is one table with the other if the trace is not cut."""
    if not cut:
        return "CREATE VIEW windowed.callers AS FROM unfiltered.callers"
    return CALLERS.replace("unfiltered.callers", "windowed.callers").replace("unfiltered.", "main.")


FIND_PROCESSES = {
    "callers": "CREATE TABLE unfiltered.called AS FROM unfiltered.callers; "
    "CREATE OR REPLACE VIEW unfiltered.callers AS FROM unfiltered.called",
    "unfiltered": "CREATE TABLE unfiltered.found AS FROM unfiltered.processes; "
    "CREATE OR REPLACE VIEW unfiltered.processes AS FROM unfiltered.found",
    "main": "CREATE TABLE windowed.found AS FROM main.processes; "
    "CREATE OR REPLACE VIEW main.processes AS FROM windowed.found",
}
"""Makes tables of who called, of all processes, and of those of the window with what they used, in this order,
and lets all that read the views read these."""

PICK = (
    "CREATE TABLE unfiltered.picked AS SELECT pid, start FROM unfiltered.processes "
    "WHERE list_contains($pids, pid) OR list_contains($comms, comm) OR list_contains($groups, COALESCE(cgroup, '')) "
    "OR len(list_filter($trees, lambda g: cgroup = g OR starts_with(cgroup, rtrim(g, '/') || '/'))) > 0"
)
"""The processes that were asked for, as a table: it is used many times.

By pid, by last known name, by control group, or by one and those below it."""


def comments(schema: str, view: str, doc: str, cols: tuple[tuple[str, str], ...]) -> list[str]:
    """Statements that put docs where SQL finds them: in duckdb_views() and duckdb_columns()."""
    target = f"{schema}.{name_sql(view)}"
    return [
        f"COMMENT ON VIEW {target} IS {text_sql(doc)}",
        *(f"COMMENT ON COLUMN {target}.{name_sql(n)} IS {text_sql(d)}" for n, d in cols),
    ]


def kind_comments(kind: Kind) -> list[str]:
    """Comments for the kind's view in `main`."""
    if any(v.name == kind.view and v.schema == "main" for v in derived()):
        return []
    cols = tuple((c.name, f"{c.doc} [{c.unit}]" if c.unit else c.doc) for c in kind.cols)
    return comments("main", kind.view, kind.doc, cols)


def view_comments(view: View) -> list[str]:
    """Comments for a view that is written in SQL."""
    return comments(view.schema, view.name, f"{view.title}. {view.doc}", tuple((c.name, c.doc) for c in view.columns))
