"""Row groups of a trace: of its many columns, Arrow encodes only those that the rows have.

A kind has a tenth of the columns of the file. Arrow takes as long for a column of NULL as for any other (5 ns a row),
and 125 bytes. So it writes a file of the columns that there are, and their pages are put between pages of NULL that are
made once for a number of rows. How these look: parquet.thrift, "Nulls" and "Run Length Encoding" of
apache/parquet-format.
"""

from __future__ import annotations

import functools
import io
import zlib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sysmon.bpf.trace_file import footer, schema, thrift
from sysmon.bpf.trace_file.footer import Leaf
from sysmon.bpf.trace_file.parquet_thrift import (
    ColumnChunk,
    ColumnMetaData,
    CompressionCodec,
    DataPageHeader,
    Encoding,
    FileMetaData,
    PageHeader,
    PageType,
    RowGroup,
)
from sysmon.bpf.trace_file.thrift import List, Struct, i32, i64

NULLS_REMEMBERED = 64
"""Numbers of rows, times columns of lists or not, whose page of NULL is remembered."""


_RARELY_REPEATED = schema.rarely_repeated()


@dataclass(frozen=True)
class Encoded:
    """A row group: its bytes, and what a footer says of it."""

    data: bytes
    said: bytes


def parquet_writer(sink: Any, columns: pa.Schema) -> pq.ParquetWriter:
    """What encodes columns of a trace.

    Of 32,768 sums of latencies, differences take 129 kB and 0.7 ms of CPU, a dictionary 206 kB and 4.2 ms.
    """
    delta = {name: "DELTA_BINARY_PACKED" for name in columns.names if name in _RARELY_REPEATED}
    return pq.ParquetWriter(
        sink,
        columns,
        compression="zstd",
        compression_level=3,
        use_dictionary=[n for n in columns.names if n not in delta],
        column_encoding=delta or None,
        write_statistics=["kind", "ts", "pid"],  # what readers look for
        write_page_checksum=True,
    )


def empty_file(wide: pa.Schema) -> bytes:
    """A trace without rows and without a recording, for its footer."""
    sink = io.BytesIO()
    writer = parquet_writer(sink, wide)
    writer.add_key_value_metadata({schema.KINDS_KEY: schema.describe_kinds()})
    writer.close()
    return sink.getvalue()


class Encoder:
    """Encodes row groups of one file. `empty` is a Parquet file of its columns, without rows."""

    def __init__(self, empty: bytes) -> None:
        self._fields = list(pq.read_schema(pa.BufferReader(empty)))
        self._leaves = [(leaf, _null_head(leaf)) for leaf in footer.leaves(footer.read(empty))]

    def row_group(self, table: pa.Table, begin: int) -> Encoded:
        """The rows as a row group that stands at `begin` in the file. Columns that the table lacks are NULL."""
        rows = table.num_rows
        data, chunks = self._encoded(table)
        pieces: list[bytes | memoryview] = []
        said: list[bytes] = []
        at = begin
        uncompressed = 0
        for leaf, null_head in self._leaves:
            found = chunks.get(leaf.path)
            if found:
                meta = found[ColumnChunk.META_DATA]
                first = _first_page(meta)
                pieces.append(data[first : first + meta[ColumnMetaData.TOTAL_COMPRESSED_SIZE].value])
                uncompressed += meta[ColumnMetaData.TOTAL_UNCOMPRESSED_SIZE].value
                said.append(thrift.dump(footer.moved_column(found, at - first)))
            else:
                null = _null_page(rows, leaf.repeated)
                pieces.append(null.data)
                uncompressed += null.uncompressed
                said.append(null_head + null.said + thrift.signed(at) + b"\0\0")
            at += len(pieces[-1])
        group: Struct = {
            RowGroup.COLUMNS: List(thrift.STRUCT, said),
            RowGroup.TOTAL_BYTE_SIZE: i64(uncompressed),
            RowGroup.NUM_ROWS: i64(rows),
            RowGroup.FILE_OFFSET: i64(begin),
            RowGroup.TOTAL_COMPRESSED_SIZE: i64(at - begin),
        }
        return Encoded(b"".join(pieces), thrift.dump(group))

    def _encoded(self, table: pa.Table) -> tuple[memoryview, dict[tuple[bytes, ...], Struct]]:
        """The columns that the table has, as a Parquet file, and what that says of each, by path."""
        given = {field.name: field.type for field in table.schema}
        columns = pa.schema([_stored(field, given[field.name]) for field in self._fields if field.name in given])
        sink = pa.BufferOutputStream()
        with parquet_writer(sink, columns) as writer:
            writer.write_table(table.select(columns.names).cast(columns), row_group_size=max(1, table.num_rows))
        data = memoryview(sink.getvalue()).cast("B")
        (group,) = footer.read(data)[FileMetaData.ROW_GROUPS].items
        return data, {_path(chunk): chunk for chunk in group[RowGroup.COLUMNS].items}


def _path(chunk: Struct) -> tuple[bytes, ...]:
    """Which column this is."""
    return tuple(chunk[ColumnChunk.META_DATA][ColumnMetaData.PATH_IN_SCHEMA].items)


def _first_page(meta: Struct) -> int:
    """Where a column begins."""
    begins_with = ColumnMetaData.DICTIONARY_PAGE_OFFSET
    return int(meta[begins_with if begins_with in meta else ColumnMetaData.DATA_PAGE_OFFSET].value)


def _stored(field: pa.Field, given: pa.DataType) -> pa.Field:
    """How the writer is to take a column. It writes a dictionary of values as it does those values."""
    if pa.types.is_dictionary(given) and given.value_type == field.type:
        return pa.field(field.name, given)
    return pa.field(field.name, field.type)


@dataclass(frozen=True)
class _NullPage:
    data: bytes
    uncompressed: int
    said: bytes  # of it in a footer, between what `_null_head` gives and where it stands


@functools.lru_cache(NULLS_REMEMBERED)
def _null_page(rows: int, repeated: bool) -> _NullPage:
    """A page of data of so many NULL."""
    levels = _zeros(rows) * (2 if repeated else 1)  # of repetition, of definition
    packed = pa.compress(levels, codec="zstd", asbytes=True)
    head: Struct = {
        PageHeader.TYPE: i32(PageType.DATA_PAGE),
        PageHeader.UNCOMPRESSED_PAGE_SIZE: i32(len(levels)),
        PageHeader.COMPRESSED_PAGE_SIZE: i32(len(packed)),
        PageHeader.CRC: i32(_as_signed(zlib.crc32(packed))),
        PageHeader.DATA_PAGE_HEADER: {
            DataPageHeader.NUM_VALUES: i32(rows),
            DataPageHeader.ENCODING: i32(Encoding.PLAIN),
            DataPageHeader.DEFINITION_LEVEL_ENCODING: i32(Encoding.RLE),
            DataPageHeader.REPETITION_LEVEL_ENCODING: i32(Encoding.RLE),
        },
    }
    begin = thrift.dump(head)
    counts = {
        ColumnMetaData.NUM_VALUES: i64(rows),
        ColumnMetaData.TOTAL_UNCOMPRESSED_SIZE: i64(len(begin) + len(levels)),
        ColumnMetaData.TOTAL_COMPRESSED_SIZE: i64(len(begin) + len(packed)),
    }
    said = thrift.dump({**_BEFORE_COUNTS, **counts, ColumnMetaData.DATA_PAGE_OFFSET: i64(0)})
    return _NullPage(
        begin + packed,
        len(begin) + len(levels),
        said[len(thrift.dump(_BEFORE_COUNTS)) - 1 : -len(_NOWHERE)],
    )


def _zeros(count: int) -> bytes:
    """So many levels of 0 of at most eight bits, as one run with its length before it."""
    run = thrift.unsigned(count << 1) + b"\0"
    return len(run).to_bytes(4, "little") + run


def _as_signed(number: int) -> int:
    return number - (1 << 32) if number >> 31 else number


_BEFORE_COUNTS: Struct = {ColumnMetaData.CODEC: i32(CompressionCodec.ZSTD)}

_NOWHERE = thrift.signed(0) + b"\0"
"""The position of a page, which is the last member of what is said of a column, and the end of that."""


def _null_head(leaf: Leaf) -> bytes:
    """What a footer says of a column that is NULL, up to what depends on how many rows there are."""
    meta: Struct = {
        ColumnMetaData.TYPE: i32(leaf.type),
        ColumnMetaData.ENCODINGS: List(thrift.I32, [Encoding.PLAIN, Encoding.RLE]),
        ColumnMetaData.PATH_IN_SCHEMA: List(thrift.BINARY, list(leaf.path)),
        **_BEFORE_COUNTS,
    }
    return thrift.dump({ColumnChunk.FILE_OFFSET: i64(0), ColumnChunk.META_DATA: meta})[:-2]
