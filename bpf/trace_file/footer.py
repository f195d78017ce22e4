"""The footer of a Parquet file: its columns, and where its row groups are."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

from sysmon.bpf.trace_file import thrift
from sysmon.bpf.trace_file.parquet_thrift import (
    ColumnChunk,
    ColumnMetaData,
    ConvertedType,
    FieldRepetitionType,
    FileMetaData,
    KeyValue,
    RowGroup,
    SchemaElement,
)
from sysmon.bpf.trace_file.thrift import List, Struct, i64

MAGIC = b"PAR1"


@dataclass(frozen=True)
class Leaf:
    """A leaf column, as stored."""

    path: tuple[bytes, ...]
    type: int
    unsigned: bool
    repeated: bool  # has one value per list item, not per row


def read(data: bytes | memoryview) -> Struct:
    """Parses the footer of a Parquet file. Raises Malformed."""
    length = int.from_bytes(data[-8:-4], "little")
    return thrift.Reader(data, len(data) - 8 - length).struct()


def leaves(of: Struct) -> list[Leaf]:
    """The columns that a footer declares, in file order. Raises Malformed."""
    elements = iter(of[FileMetaData.SCHEMA].items)

    def below(count: int, path: tuple[bytes, ...], repeated: bool) -> Iterator[Leaf]:
        for _ in range(count):
            element = next(elements)
            here = (*path, element[SchemaElement.NAME].value)
            often = repeated or _is(element, SchemaElement.REPETITION_TYPE, (FieldRepetitionType.REPEATED,))
            if SchemaElement.NUM_CHILDREN in element:
                yield from below(element[SchemaElement.NUM_CHILDREN].value, here, often)
            else:
                unsigned = _is(element, SchemaElement.CONVERTED_TYPE, ConvertedType.UNSIGNED)
                yield Leaf(here, element[SchemaElement.TYPE].value, unsigned, often)

    try:
        return list(below(next(elements)[SchemaElement.NUM_CHILDREN].value, (), False))
    except (KeyError, AttributeError, StopIteration, RuntimeError) as error:
        raise thrift.Malformed(f"no schema: {error!r}") from None


def _is(element: Struct, number: int, one_of: Container[int]) -> bool:
    """Whether the element's field is set to one of these values."""
    return number in element and element[number].value in one_of


def moved_column(chunk: Struct, by: int) -> Struct:
    """A column chunk's footer entry, with its positions moved by this many bytes."""
    meta = chunk[ColumnChunk.META_DATA]
    for number in (ColumnMetaData.DATA_PAGE_OFFSET, ColumnMetaData.DICTIONARY_PAGE_OFFSET):
        if number in meta:
            meta[number] = i64(meta[number].value + by)
    return chunk


def moved(group: Struct, by: int) -> Struct:
    """The same for a whole row group."""
    for chunk in group[RowGroup.COLUMNS].items:
        moved_column(chunk, by)
    if RowGroup.FILE_OFFSET in group:
        group[RowGroup.FILE_OFFSET] = i64(group[RowGroup.FILE_OFFSET].value + by)
    return group


def with_columns_dumped(of: Struct) -> Struct:
    """The footer, with its columns as bytes: to be written many times."""
    columns = [thrift.dump(column) for column in of[FileMetaData.SCHEMA].items]
    return {**of, FileMetaData.SCHEMA: List(thrift.STRUCT, columns)}


def with_row_groups(of: Struct, rows: int, groups: list[bytes], texts: dict[bytes, bytes]) -> bytes:
    """The end of a file: the footer with these row groups and key-value texts, which replace those of the same name."""
    there = of[FileMetaData.KEY_VALUE_METADATA].items if FileMetaData.KEY_VALUE_METADATA in of else []
    kept = [pair for pair in there if pair[KeyValue.KEY].value not in texts]
    pairs = [{KeyValue.KEY: thrift.binary(key), KeyValue.VALUE: thrift.binary(text)} for key, text in texts.items()]
    changed = {
        FileMetaData.NUM_ROWS: i64(rows),
        FileMetaData.ROW_GROUPS: List(thrift.STRUCT, groups),
        FileMetaData.KEY_VALUE_METADATA: List(thrift.STRUCT, kept + pairs),
    }
    text = thrift.dump({**of, **changed})
    return text + len(text).to_bytes(4, "little") + MAGIC
