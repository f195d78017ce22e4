"""The views of a recording that still runs: each kind's rows in files of row groups, and those that wait.

`unfiltered` has all rows, as of a file; `here` those that may be in the window, so that no more is copied than that
needs. Which files these are is in a variable for each schema and kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import pyarrow as pa

from sysmon.analyze.trace import views
from sysmon.analyze.trace.catalog import Entry
from sysmon.analyze.trace.growing.recording import EVERYTHING
from sysmon.bpf.kind import Kind
from sysmon.bpf.kinds import KINDS, kind_named
from sysmon.bpf.trace_file import recover, schema, tables

HERE = "here"

SCHEMAS = ("unfiltered", HERE)

STORED = {"unfiltered.stored": "unfiltered", "windowed.stored": HERE}
"""Views of rows of all kinds, and from which of the two they are."""

KIND_OF_VIEW = {kind.view: kind.name for kind in KINDS}


def entries(present: frozenset[str]) -> Iterator[Entry]:
    """What takes the place of the entries that read a file; `present`: the columns that the recording has."""
    yield from (views.of_kind(HERE, kind, kind_query(HERE, kind, present)) for kind in KINDS)
    for name, space in STORED.items():
        yield Entry(name, (), _stored(space, present))


def kind_query(space: str, kind: Kind, present: frozenset[str]) -> str:
    """The query of one kind's rows."""
    on_disk = ", ".join(views.column_query(col, present) for col in kind.cols)
    waiting = ", ".join(views.column_query(col, frozenset(c.name for c in kind.cols)) for col in kind.cols)
    return (
        f"SELECT {on_disk} FROM {files(space, kind.name)} WHERE kind = {views.text_sql(kind.name)} "
        f"UNION ALL SELECT {waiting} FROM {waiting_name(kind.name)}"
    )


def _stored(space: str, present: frozenset[str]) -> str:
    cols = [col for col in schema.all_columns() if col.name != schema.KIND_COL.name]
    every = frozenset(col.name for col in cols)

    def select(have: frozenset[str]) -> str:
        return f"SELECT kind, {', '.join(views.column_query(col, have) for col in cols)}"

    return (
        f"SELECT *, ROW_NUMBER() OVER () AS row_number FROM ({select(present)} FROM {files(space, EVERYTHING)} "
        f"UNION ALL {select(every)} FROM {waiting_name(EVERYTHING)})"
    )


def files(space: str, kind: str) -> str:
    """The relation of row groups."""
    return f"read_parquet(getvariable('{space}_{kind}'))"


def waiting_name(kind: str) -> str:
    """Of the relation of rows that wait."""
    return f"waiting_{kind or 'for_all'}"


def kinds_in(names: Iterable[str]) -> dict[str, set[str]]:
    """The kinds that these entries read, by schema."""
    found: dict[str, set[str]] = {space: set() for space in SCHEMAS}
    for name in names:
        space, _, view = name.partition(".")
        if name in STORED:
            found[STORED[name]].add(EVERYTHING)
        elif space in found and view in KIND_OF_VIEW:
            found[space].add(KIND_OF_VIEW[view])
    return found


def waiting_rows(waiting: dict[str, pa.Table], kind: str) -> pa.Table:
    """The rows that wait of a kind, or of all, with all columns as they are declared."""
    if kind != EVERYTHING:
        return declared(waiting[kind], kind) if kind in waiting else tables.empty(_schema(kind))
    known = {k.name: waiting[k.name] for k in KINDS if k.name in waiting}
    groups = [tables.joined(of.values()) for of in recover.last_groups(known)]
    return pa.concat_tables([tables.empty(_schema(EVERYTHING)), *(declared(group, EVERYTHING) for group in groups)])


def declared(table: pa.Table, kind: str) -> pa.Table:
    """The rows with all columns of their kind, or of all kinds; those that the table lacks are NULL."""
    there = dict(zip(table.column_names, table.columns, strict=True))
    of = _schema(kind)
    # Of all kinds most of some hundred columns are NULL; those of one type share their memory.
    nulls = {f.type: pa.nulls(table.num_rows, f.type) for f in of if f.name not in there}
    columns = [_as(there[f.name], f.type) if f.name in there else nulls[f.type] for f in of]
    return pa.Table.from_arrays(columns, schema=of)


def _as(found: pa.ChunkedArray, of: pa.DataType) -> pa.ChunkedArray:
    return found if found.type == of else found.cast(of)


@cache
def _schema(kind: str) -> pa.Schema:
    cols = schema.all_columns() if kind == EVERYTHING else kind_named(kind).cols
    return pa.schema([pa.field(col.name, schema.arrow_type(col)) for col in cols])
