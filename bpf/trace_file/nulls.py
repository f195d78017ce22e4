"""Columns of NULL, which a row group needs for columns that its rows lack: one page each, made once per number of rows.

Format: parquet.thrift, "Nulls" and "Run Length Encoding" of apache/parquet-format.
"""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass

import pyarrow as pa

from sysmon.bpf.trace_file import thrift
from sysmon.bpf.trace_file.footer import Leaf
from sysmon.bpf.trace_file.parquet_thrift import (
    ColumnChunk,
    ColumnMetaData,
    CompressionCodec,
    DataPageHeader,
    Encoding,
    PageHeader,
    PageType,
)
from sysmon.bpf.trace_file.thrift import List, Struct, i32, i64

NULLS_REMEMBERED = 64
"""Cached pages: numbers of rows, each for list and other columns."""


@dataclass(frozen=True)
class NullPage:
    """A page, and its footer entry."""

    data: bytes
    uncompressed: int
    said: bytes  # part of the footer entry, between `head` and the page's position


@functools.lru_cache(NULLS_REMEMBERED)
def page(rows: int, repeated: bool) -> NullPage:
    """A data page of this many NULLs."""
    levels = _zeros(rows) * (2 if repeated else 1)  # repetition and definition levels
    packed = pa.compress(levels, codec="zstd", asbytes=True)
    begin = thrift.dump(_page_header(rows, levels, packed))
    counts = {
        ColumnMetaData.NUM_VALUES: i64(rows),
        ColumnMetaData.TOTAL_UNCOMPRESSED_SIZE: i64(len(begin) + len(levels)),
        ColumnMetaData.TOTAL_COMPRESSED_SIZE: i64(len(begin) + len(packed)),
    }
    said = thrift.dump({**_BEFORE_COUNTS, **counts, ColumnMetaData.DATA_PAGE_OFFSET: i64(0)})
    of_counts = said[len(thrift.dump(_BEFORE_COUNTS)) - 1 : -len(_NOWHERE)]
    return NullPage(begin + packed, len(begin) + len(levels), of_counts)


def _page_header(rows: int, levels: bytes, packed: bytes) -> Struct:
    return {
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


def _zeros(count: int) -> bytes:
    """`count` levels of 0, at most eight bits wide, as one run preceded by its length."""
    run = thrift.unsigned(count << 1) + b"\0"
    return len(run).to_bytes(4, "little") + run


def _as_signed(number: int) -> int:
    return number - (1 << 32) if number >> 31 else number


_BEFORE_COUNTS: Struct = {ColumnMetaData.CODEC: i32(CompressionCodec.ZSTD)}

_NOWHERE = thrift.signed(0) + b"\0"
"""The page's position, the last field of the column's footer entry, and the end of that entry."""


def head(leaf: Leaf) -> bytes:
    """The footer entry of a NULL column, up to what depends on the number of rows."""
    meta: Struct = {
        ColumnMetaData.TYPE: i32(leaf.type),
        ColumnMetaData.ENCODINGS: List(thrift.I32, [Encoding.PLAIN, Encoding.RLE]),
        ColumnMetaData.PATH_IN_SCHEMA: List(thrift.BINARY, list(leaf.path)),
        **_BEFORE_COUNTS,
    }
    return thrift.dump({ColumnChunk.FILE_OFFSET: i64(0), ColumnChunk.META_DATA: meta})[:-2]
