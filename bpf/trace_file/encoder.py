"""Encodes row groups of a trace: Arrow encodes only the columns that the rows have.

A kind has a tenth of the file's columns. Arrow takes as long for a column of NULL as for any other (5 ns per row), and
125 bytes. So it writes a file with the existing columns only, and their pages are inserted between pages of NULL that
are made once for each number of rows.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from sysmon.bpf.trace_file import footer, nulls, schema, thrift
from sysmon.bpf.trace_file.parquet_thrift import (
    ColumnChunk,
    ColumnMetaData,
    FileMetaData,
    RowGroup,
)
from sysmon.bpf.trace_file.thrift import List, Struct, i64

_RARELY_REPEATED = schema.rarely_repeated()


@dataclass(frozen=True)
class Encoded:
    """A row group: its bytes, and its entry in the footer."""

    data: bytes
    said: bytes


class Column(NamedTuple):
    """One column of it, likewise."""

    data: bytes | memoryview
    uncompressed: int  # bytes
    said: bytes


def parquet_writer(sink: Any, columns: pa.Schema) -> pq.ParquetWriter:
    """The Parquet writer with the encodings of a trace.

    32,768 sums of latencies take 129 kB and 0.7 ms of CPU time as differences, 206 kB and 4.2 ms as a dictionary.
    """
    delta = {name: "DELTA_BINARY_PACKED" for name in columns.names if name in _RARELY_REPEATED}
    return pq.ParquetWriter(
        sink,
        columns,
        compression="zstd",
        compression_level=3,
        use_dictionary=[n for n in columns.names if n not in delta],
        column_encoding=delta or None,
        write_statistics=["kind", "ts", "pid"],  # what readers filter by
        write_page_checksum=True,
    )


def empty_file(wide: pa.Schema) -> bytes:
    """A trace without rows and without recording metadata, for its footer."""
    sink = io.BytesIO()
    writer = parquet_writer(sink, wide)
    writer.add_key_value_metadata({schema.KINDS_KEY: schema.describe_kinds()})
    writer.close()
    return sink.getvalue()


class Encoder:
    """Encodes row groups of one file. `empty` is a Parquet file with its columns and no rows."""

    def __init__(self, empty: bytes) -> None:
        self._fields = list(pq.read_schema(pa.BufferReader(empty)))
        self._leaves = [(leaf, nulls.head(leaf)) for leaf in footer.leaves(footer.read(empty))]

    def row_group(self, table: pa.Table, begin: int) -> Encoded:
        """Encodes the rows as a row group at offset `begin` of the file. Columns that the table lacks are NULL."""
        data, chunks = self._encoded(table)
        columns: list[Column] = []
        at = begin
        for leaf, null_head in self._leaves:
            found = chunks.get(leaf.path)
            if found:
                columns.append(_moved(found, data, at))
            else:
                columns.append(_null(null_head, nulls.page(table.num_rows, leaf.repeated), at))
            at += len(columns[-1].data)
        group: Struct = {
            RowGroup.COLUMNS: List(thrift.STRUCT, [column.said for column in columns]),
            RowGroup.TOTAL_BYTE_SIZE: i64(sum(column.uncompressed for column in columns)),
            RowGroup.NUM_ROWS: i64(table.num_rows),
            RowGroup.FILE_OFFSET: i64(begin),
            RowGroup.TOTAL_COMPRESSED_SIZE: i64(at - begin),
        }
        return Encoded(b"".join(column.data for column in columns), thrift.dump(group))

    def _encoded(self, table: pa.Table) -> tuple[memoryview, dict[tuple[bytes, ...], Struct]]:
        """The columns that the table has, as a Parquet file, and the footer's entry for each, by path."""
        given = {field.name: field.type for field in table.schema}
        columns = pa.schema([_stored(field, given[field.name]) for field in self._fields if field.name in given])
        sink = pa.BufferOutputStream()
        with parquet_writer(sink, columns) as writer:
            writer.write_table(table.select(columns.names).cast(columns), row_group_size=max(1, table.num_rows))
        data = memoryview(sink.getvalue()).cast("B")
        (group,) = footer.read(data)[FileMetaData.ROW_GROUPS].items
        return data, {_path(chunk): chunk for chunk in group[RowGroup.COLUMNS].items}


class Missing:
    """Adds columns of NULL to row groups that lack them. `empty` is a Parquet file with all columns and no rows."""

    def __init__(self, empty: bytes) -> None:
        self._leaves = [(leaf, nulls.head(leaf)) for leaf in footer.leaves(footer.read(empty))]

    def filled(self, data: bytes, group: Struct, begin: int) -> tuple[bytes, Struct]:
        """A row group at offset `begin` with all columns, and its entry in the footer; `group` is the one it had."""
        found = {_path(chunk): chunk for chunk in group[RowGroup.COLUMNS].items}
        rows, pieces, at, chunks, more = group[RowGroup.NUM_ROWS].value, [data], begin + len(data), [], 0
        for leaf, head in self._leaves:
            if leaf.path in found:
                chunks.append(found[leaf.path])
                continue
            column = _null(head, nulls.page(rows, leaf.repeated), at)
            chunks.append(thrift.Reader(column.said).struct())
            pieces.append(bytes(column.data))
            at, more = at + len(column.data), more + column.uncompressed
        total = group[RowGroup.TOTAL_BYTE_SIZE].value + more
        sizes = {RowGroup.TOTAL_BYTE_SIZE: i64(total), RowGroup.TOTAL_COMPRESSED_SIZE: i64(at - begin)}
        return b"".join(pieces), {**group, **sizes, RowGroup.COLUMNS: List(thrift.STRUCT, chunks)}


def _moved(chunk: Struct, data: memoryview, at: int) -> Column:
    """A column of the file `data`, with its positions changed for another file."""
    meta = chunk[ColumnChunk.META_DATA]
    first = first_page(meta)
    pages = data[first : first + meta[ColumnMetaData.TOTAL_COMPRESSED_SIZE].value]
    uncompressed = meta[ColumnMetaData.TOTAL_UNCOMPRESSED_SIZE].value
    return Column(pages, uncompressed, thrift.dump(footer.moved_column(chunk, at - first)))


def _null(head: bytes, page: nulls.NullPage, at: int) -> Column:
    return Column(page.data, page.uncompressed, head + page.said + thrift.signed(at) + b"\0\0")


def _path(chunk: Struct) -> tuple[bytes, ...]:
    """The column's path in the schema."""
    return tuple(chunk[ColumnChunk.META_DATA][ColumnMetaData.PATH_IN_SCHEMA].items)


def first_page(meta: Struct) -> int:
    """Offset of the column's first page."""
    begins_with = ColumnMetaData.DICTIONARY_PAGE_OFFSET
    return int(meta[begins_with if begins_with in meta else ColumnMetaData.DATA_PAGE_OFFSET].value)


def _stored(field: pa.Field, given: pa.DataType) -> pa.Field:
    """The type to give to the writer. It encodes a dictionary of values as it would the values themselves."""
    if pa.types.is_dictionary(given) and given.value_type == field.type:
        return pa.field(field.name, given)
    return pa.field(field.name, field.type)
