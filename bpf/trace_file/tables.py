"""Prepares rows for a row group: joins batches, sorts them, and adds the column that tells their kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

OUT_OF_ORDER_NS = 2_000_000_000
"""Rows late by less than this stay where they are. Rows of one kind come through several rings, some of which are read
later than others; sorting all columns for that would take a tenth of the time that recording a row takes."""

GROUP_ROWS = 1 << 15
"""Rows of a kind that are collected before they are written as a row group.

More of them take more memory in the recorder, and longer at a time. Fewer make the file larger, by 10 kB per row group.
"""

SHARED_ROWS = 1 << 12
"""A kind with fewer rows does not get a row group of its own."""


def of_kind(kind: str, table: pa.Table) -> pa.Table:
    """The rows with the column that tells their kind."""
    index = pa.repeat(pa.scalar(0, pa.int8()), table.num_rows)
    return table.append_column("kind", pa.DictionaryArray.from_arrays(index, [kind]))


def joined(tables: Iterable[pa.Table]) -> pa.Table:
    """Rows of several kinds, each with the columns of all."""
    return pa.concat_tables(map(without_dictionaries, tables), promote_options="default")


def without_dictionaries(table: pa.Table) -> pa.Table:
    """The table with each value in its place."""
    types = ((f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in table.schema)
    return table.cast(pa.schema(list(types)))


def together(batches: list[pa.RecordBatch]) -> pa.Table:
    """The batches as one table of one kind. A batch may lack columns that are NULL in it."""
    if all(batch.schema.equals(batches[0].schema) for batch in batches):
        return pa.Table.from_batches(batches).unify_dictionaries()
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    types: dict[str, pa.DataType] = {}
    if any(types.setdefault(f.name, f.type) != f.type for table in tables for f in table.schema):
        return joined(tables)  # some rows are from rings, and some were made in Python
    return pa.concat_tables(tables, promote_options="default").unify_dictionaries()


def sorted_rows(table: pa.Table) -> pa.Table:
    """The rows in the order of `ts`, for reading by time. Rows up to `OUT_OF_ORDER_NS` late may stay where they are."""
    ts = table.column("ts").combine_chunks().cast(pa.int64()).to_numpy(zero_copy_only=False)
    late = np.maximum.accumulate(ts) - ts
    return table if late.max(initial=0) <= OUT_OF_ORDER_NS else table.sort_by("ts")


def grouped(of: dict[str, pa.Table]) -> Iterator[dict[str, pa.Table]]:
    """Tables by kind, one dict per row group: kinds with few rows share one."""
    few = {kind: table for kind, table in of.items() if table.num_rows < SHARED_ROWS}
    if few:
        yield few
    yield from ({kind: table} for kind, table in of.items() if table.num_rows >= SHARED_ROWS)


def empty(of: pa.Schema) -> pa.Table:
    """A table without rows. pyarrow's own `empty_table` imports pandas, which takes half a second."""
    return pa.Table.from_arrays([pa.nulls(0, field.type) for field in of], schema=of)
