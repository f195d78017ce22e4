"""Rebuilds a row group's footer entry from its pages.

Each page states its length, its encoding and, for some columns, its minimum and maximum, and is checked by its CRC.
Pages do not say which column they belong to: that follows from the order of the columns and the number of rows. See
"File format" and parquet.thrift of apache/parquet-format.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sysmon.bpf.trace_file import thrift
from sysmon.bpf.trace_file.footer import Leaf
from sysmon.bpf.trace_file.parquet_thrift import (
    ColumnChunk,
    ColumnMetaData,
    CompressionCodec,
    DataPageHeader,
    DictionaryPageHeader,
    Encoding,
    PageHeader,
    PageType,
    RowGroup,
    Statistics,
    Type,
)
from sysmon.bpf.trace_file.thrift import List, Struct, i32, i64

MOST_PAGES = 1 << 14
"""Maximum pages of a row group: a column has few, and no trace has many columns."""


class BadPages(ValueError):
    """The bytes are not a row group, or not a whole one."""


@dataclass(frozen=True)
class Page:
    """A page in the file: its header, and its size with that header."""

    header: Struct
    begin: int
    bytes: int
    header_bytes: int

    @property
    def is_dictionary(self) -> bool:
        return bool(self.header[PageHeader.TYPE].value == PageType.DICTIONARY_PAGE)

    @property
    def values(self) -> int:
        """Number of values in a data page, including NULL."""
        return (
            0 if self.is_dictionary else int(self.header[PageHeader.DATA_PAGE_HEADER][DataPageHeader.NUM_VALUES].value)
        )

    @property
    def encoding(self) -> int:
        """Encoding of its values, or of its dictionary's."""
        if self.is_dictionary:
            return int(self.header[PageHeader.DICTIONARY_PAGE_HEADER][DictionaryPageHeader.ENCODING].value)
        return int(self.header[PageHeader.DATA_PAGE_HEADER][DataPageHeader.ENCODING].value)

    @property
    def uncompressed(self) -> int:
        """Size with uncompressed content [bytes]."""
        return int(self.header[PageHeader.UNCOMPRESSED_PAGE_SIZE].value) + self.header_bytes


def row_group(data: bytes, begin: int, rows: int, columns: list[Leaf]) -> Struct:
    """The footer entry of the row group in `data`; `begin` is its offset in the file.

    Raises BadPages if the bytes are anything else, or damaged.
    """
    try:
        chunks = _chunks(list(_pages(data)), rows, columns)
        built = [_column(pages, begin, leaf) for pages, leaf in zip(chunks, columns, strict=True)]
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise BadPages(str(error)) from None
    return {
        RowGroup.COLUMNS: List(thrift.STRUCT, built),
        RowGroup.TOTAL_BYTE_SIZE: i64(sum(_uncompressed(chunk) for chunk in built)),
        RowGroup.NUM_ROWS: i64(rows),
        RowGroup.FILE_OFFSET: i64(begin),
        RowGroup.TOTAL_COMPRESSED_SIZE: i64(len(data)),
    }


def _uncompressed(chunk: Struct) -> int:
    return int(chunk[ColumnChunk.META_DATA][ColumnMetaData.TOTAL_UNCOMPRESSED_SIZE].value)


def _pages(data: bytes) -> Iterator[Page]:
    at = pages = 0
    while at < len(data):
        pages += 1
        if pages > MOST_PAGES:
            raise BadPages("more pages than a row group has")
        reader = thrift.Reader(data, at)
        header = reader.struct()
        size = header[PageHeader.COMPRESSED_PAGE_SIZE].value
        content = memoryview(data)[reader.at : reader.at + size]
        if size < 0 or len(content) != size or zlib.crc32(content) != header[PageHeader.CRC].value & 0xFFFFFFFF:
            raise BadPages(f"the page at {at} of its row group is damaged")
        yield Page(header, at, reader.at + size - at, reader.at - at)
        at = reader.at + size


def _chunks(pages: list[Page], rows: int, columns: list[Leaf]) -> list[list[Page]]:
    """The pages of each column. At most one column may be a list, as its number of values is unknown."""
    lists = [i for i, column in enumerate(columns) if column.repeated] or [len(columns)]
    if len(lists) > 1:
        raise BadPages("two columns of lists")
    before = [_take(pages, rows, first=True) for _ in range(lists[0])]
    after = [_take(pages, rows, first=False) for _ in range(len(columns) - lists[0] - 1)]
    middle = [pages] if lists[0] < len(columns) else []
    if not middle and pages:
        raise BadPages("pages are left over")
    return [*before, *middle, *reversed(after)]


def _take(pages: list[Page], rows: int, first: bool) -> list[Page]:
    """Removes and returns the pages of the first or last column."""
    taken, values = 0, 0
    while values < rows or (not taken and not rows):
        taken += 1
        if taken > len(pages):
            raise BadPages("pages are missing")
        values += pages[taken - 1 if first else -taken].values
    if values != rows:
        raise BadPages(f"a column of {values} values in a row group of {rows} rows")
    if not first and taken < len(pages) and pages[-taken - 1].is_dictionary:
        taken += 1
    part = slice(0, taken) if first else slice(len(pages) - taken, len(pages))
    found = pages[part]
    del pages[part]
    return found


def _column(pages: list[Page], begin: int, leaf: Leaf) -> Struct:
    data = [page for page in pages if not page.is_dictionary]
    encodings = {page.encoding for page in pages} | {Encoding.RLE}
    meta: Struct = {
        ColumnMetaData.TYPE: i32(leaf.type),
        ColumnMetaData.ENCODINGS: List(thrift.I32, sorted(encodings)),
        ColumnMetaData.PATH_IN_SCHEMA: List(thrift.BINARY, list(leaf.path)),
        ColumnMetaData.CODEC: i32(CompressionCodec.ZSTD),
        ColumnMetaData.NUM_VALUES: i64(sum(page.values for page in data)),
        ColumnMetaData.TOTAL_UNCOMPRESSED_SIZE: i64(sum(page.uncompressed for page in pages)),
        ColumnMetaData.TOTAL_COMPRESSED_SIZE: i64(sum(page.bytes for page in pages)),
        ColumnMetaData.DATA_PAGE_OFFSET: i64(begin + data[0].begin),
    }
    if pages[0].is_dictionary:
        meta[ColumnMetaData.DICTIONARY_PAGE_OFFSET] = i64(begin + pages[0].begin)
    statistics = _statistics([page.header[PageHeader.DATA_PAGE_HEADER] for page in data], leaf)
    if statistics:
        meta[ColumnMetaData.STATISTICS] = statistics
    return {ColumnChunk.FILE_OFFSET: i64(0), ColumnChunk.META_DATA: meta}


_COUNTED = {Statistics.NULL_COUNT, Statistics.MAX_VALUE, Statistics.MIN_VALUE}


def _statistics(heads: list[Struct], leaf: Leaf) -> Struct | None:
    """Statistics of the column, from those of its pages; None if a page has none."""
    found = [head.get(DataPageHeader.STATISTICS, {}) for head in heads]
    if not all(each.keys() >= _COUNTED for each in found):
        return None

    def number(data: bytes) -> Any:
        return data if leaf.type == Type.BYTE_ARRAY else int.from_bytes(data, "little", signed=not leaf.unsigned)

    if leaf.type not in (Type.INT32, Type.INT64, Type.BYTE_ARRAY):
        return None
    return {
        Statistics.NULL_COUNT: i64(sum(each[Statistics.NULL_COUNT].value for each in found)),
        Statistics.MAX_VALUE: thrift.binary(max((each[Statistics.MAX_VALUE].value for each in found), key=number)),
        Statistics.MIN_VALUE: thrift.binary(min((each[Statistics.MIN_VALUE].value for each in found), key=number)),
    }
