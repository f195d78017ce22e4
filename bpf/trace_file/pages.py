"""Rebuilds from the pages of a Parquet file what its footer would say of them.

Each page says of itself how long it is, how it is coded and, for some columns, its smallest and largest value; each is
checked by its CRC. What pages do not say is which column they are of: that follows from the order of the columns and
the number of rows. "File format" and parquet.thrift of apache/parquet-format.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sysmon.bpf.trace_file import thrift
from sysmon.bpf.trace_file.thrift import List, Struct, i32, i64

MAGIC = b"PAR1"

INT32, INT64, BYTE_ARRAY = 1, 2, 6
REPEATED = 2
UNSIGNED = range(11, 15)  # ConvertedType: UINT_8 to UINT_64
DATA_PAGE, DICTIONARY_PAGE = 0, 2
RLE = 3
ZSTD = 6


MOST_PAGES = 1 << 14
"""Of a row group: a column has few, and no trace has many columns."""


class BadPages(ValueError):
    """The bytes are no row group, or not a whole one."""


@dataclass(frozen=True)
class Leaf:
    """A column as it is stored."""

    path: tuple[bytes, ...]
    type: int
    unsigned: bool
    repeated: bool  # has as many values as its lists have items, which is not the number of rows


@dataclass(frozen=True)
class Page:
    """A page in the file: what its header says, and the bytes it takes with it."""

    header: Struct
    begin: int
    bytes: int
    header_bytes: int

    @property
    def is_dictionary(self) -> bool:
        return bool(self.header[1].value == DICTIONARY_PAGE)

    @property
    def values(self) -> int:
        """Values in a page of data, NULL included."""
        return 0 if self.is_dictionary else int(self.header[5][1].value)


def footer(data: bytes | memoryview) -> Struct:
    """The footer of a Parquet file. Raises Malformed."""
    length = int.from_bytes(data[-8:-4], "little")
    return thrift.Reader(data, len(data) - 8 - length).struct()


def leaves(of: Struct) -> list[Leaf]:
    """The columns that a footer declares, in the order of the file. Raises Malformed."""
    elements = iter(of[2].items)

    def below(count: int, path: tuple[bytes, ...], repeated: bool) -> Iterator[Leaf]:
        for _ in range(count):
            element = next(elements)
            here = (*path, element[4].value)
            often = repeated or (3 in element and element[3].value == REPEATED)
            if 5 in element:
                yield from below(element[5].value, here, often)
            else:
                unsigned = 6 in element and element[6].value in UNSIGNED
                yield Leaf(here, element[1].value, unsigned, often)

    try:
        return list(below(next(elements)[5].value, (), False))
    except (KeyError, AttributeError, StopIteration, RuntimeError) as error:
        raise thrift.Malformed(f"no schema: {error!r}") from None


def row_group(data: bytes, begin: int, rows: int, columns: list[Leaf]) -> Struct:
    """What a footer says of a row group whose bytes these are; `begin` is where they stand in the file.

    Raises BadPages if they are not exactly that, or not as they were written.
    """
    try:
        chunks = _chunks(list(_pages(data)), rows, columns)
        built = [_column(pages, begin, leaf) for pages, leaf in zip(chunks, columns, strict=True)]
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise BadPages(str(error)) from None
    return {
        1: List(thrift.STRUCT, built),
        2: i64(sum(c[3][6].value for c in built)),
        3: i64(rows),
        5: i64(begin),
        6: i64(len(data)),
    }


def _pages(data: bytes) -> Iterator[Page]:
    at = pages = 0
    while at < len(data):
        pages += 1
        if pages > MOST_PAGES:
            raise BadPages("more pages than a row group has")
        reader = thrift.Reader(data, at)
        header = reader.struct()
        size = header[3].value
        content = memoryview(data)[reader.at : reader.at + size]
        if size < 0 or len(content) != size or zlib.crc32(content) != header[4].value & 0xFFFFFFFF:
            raise BadPages(f"the page at {at} of its row group is damaged")
        yield Page(header, at, reader.at + size - at, reader.at - at)
        at = reader.at + size


def _chunks(pages: list[Page], rows: int, columns: list[Leaf]) -> list[list[Page]]:
    """The pages of each column. Of lists, whose values cannot be counted on, there is one column at most."""
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
    """Takes the pages of the first or of the last column off."""
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
    encodings = {page.header[7 if page.is_dictionary else 5][2].value for page in pages} | {RLE}
    meta: Struct = {
        1: i32(leaf.type),
        2: List(thrift.I32, sorted(encodings)),
        3: List(thrift.BINARY, list(leaf.path)),
        4: i32(ZSTD),
        5: i64(sum(page.values for page in data)),
        6: i64(sum(page.header[2].value + page.header_bytes for page in pages)),
        7: i64(sum(page.bytes for page in pages)),
        9: i64(begin + data[0].begin),
    }
    if pages[0].is_dictionary:
        meta[11] = i64(begin + pages[0].begin)
    statistics = _statistics([page.header[5] for page in data], leaf)
    if statistics:
        meta[12] = statistics
    return {2: i64(0), 3: meta}


def _statistics(heads: list[Struct], leaf: Leaf) -> Struct | None:
    """Of the column, from those of its pages. None if one of them has none."""
    if not all(5 in head and {3, 5, 6} <= head[5].keys() for head in heads):
        return None

    def number(data: bytes) -> Any:
        return data if leaf.type == BYTE_ARRAY else int.from_bytes(data, "little", signed=not leaf.unsigned)

    if leaf.type not in (INT32, INT64, BYTE_ARRAY):
        return None
    found = [head[5] for head in heads]
    return {
        3: i64(sum(s[3].value for s in found)),
        5: thrift.binary(max((s[5].value for s in found), key=number)),
        6: thrift.binary(min((s[6].value for s in found), key=number)),
    }


def moved_column(chunk: Struct, by: int) -> Struct:
    """The column of a row group as it is said of where it stands so many bytes further on."""
    for number in (9, 11):
        if number in chunk[3]:
            chunk[3][number] = i64(chunk[3][number].value + by)
    return chunk


def moved(group: Struct, by: int) -> Struct:
    """The row group, likewise."""
    for chunk in group[1].items:
        moved_column(chunk, by)
    if 5 in group:
        group[5] = i64(group[5].value + by)
    return group


def with_row_groups(of: Struct, rows: int, groups: list[bytes], texts: dict[bytes, bytes]) -> bytes:
    """The end of a file: the footer with these row groups and texts, each in place of one of its name."""
    kept = [pair for pair in of[5].items if pair[1].value not in texts] if 5 in of else []
    pairs = [{1: thrift.binary(key), 2: thrift.binary(text)} for key, text in texts.items()]
    text = thrift.dump({**of, 3: i64(rows), 4: List(thrift.STRUCT, groups), 5: List(thrift.STRUCT, kept + pairs)})
    return text + len(text).to_bytes(4, "little") + MAGIC
