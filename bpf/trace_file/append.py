"""Copies a finished trace with more rows: its row groups as they are, one more, and another footer.

A trace of an older version lacks columns that the new rows may have: they are added, NULL in all rows that it has.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from sysmon.bpf.kind import Kind
from sysmon.bpf.trace_file import encoder, footer, schema, tables
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.bpf.trace_file.parquet_thrift import ColumnChunk, ColumnMetaData, FileMetaData, RowGroup
from sysmon.bpf.trace_file.recover import MOST_GROUP_BYTES
from sysmon.bpf.trace_file.sink import Sink
from sysmon.bpf.trace_file.thrift import Malformed, Struct, i64

INDEXES = (4, 5, 6, 7)
"""Fields of a column chunk, and below of its metadata, that say where else in the file something about it is: what an
encoder of another program may have put there is not copied."""

BLOOM_FILTERS = (14, 15)


def append(source: BinaryIO, out: BinaryIO, recording: Recording, kind: Kind, rows: pa.RecordBatch) -> Recording:
    """Writes the trace in `source`, a whole one, with these rows into `out`, which is empty.

    `recording` is its description; returns it with the kind and the number of its rows. Raises OSError, Malformed.
    """
    wide = _widened(pq.read_schema(source))
    empty = encoder.empty_file(wide)
    sink, missing = Sink(out, empty), encoder.Missing(empty)
    for group, begin, end in _groups(_footer(source), os.fstat(source.fileno()).st_size):
        sink.copy(*missing.filled(_read(source, begin, end - begin), group, begin))
    for _group in sink.write({kind.name: tables.of_kind(kind.name, pa.Table.from_batches([rows]))}):
        pass
    kinds = [*recording["kinds"], *([] if kind.name in recording["kinds"] else [kind.name])]
    counts = {**recording["rows"], kind.name: recording["rows"].get(kind.name, 0) + rows.num_rows}
    whole: Recording = {**recording, "kinds": kinds, "rows": counts}
    sink.finish(whole)
    return whole


def _widened(found: pa.Schema) -> pa.Schema:
    """The columns of the file, and the declared ones that it lacks."""
    fields = [*found, *(field for field in schema.wide() if field.name not in found.names)]
    return pa.schema([field.with_type(_plain(field.type)) for field in fields])


def _plain(of: pa.DataType) -> pa.DataType:
    return of.value_type if pa.types.is_dictionary(of) else of


def _footer(source: BinaryIO) -> Struct:
    size = os.fstat(source.fileno()).st_size
    length = int.from_bytes(_read(source, size - 8, 4), "little")
    return footer.read(_read(source, size - 8 - length, length + 8))


def _read(source: BinaryIO, begin: int, size: int) -> bytes:
    source.seek(begin)
    return source.read(size)


def _groups(of: Struct, size: int) -> Iterator[tuple[Struct, int, int]]:
    """Each row group's entry in the footer, and where it begins and ends. Raises Malformed."""
    before = len(footer.MAGIC)
    for group in of[FileMetaData.ROW_GROUPS].items:
        metas = [_without_indexes(chunk)[ColumnChunk.META_DATA] for chunk in group[RowGroup.COLUMNS].items]
        places = [
            (encoder.first_page(meta), encoder.first_page(meta) + meta[ColumnMetaData.TOTAL_COMPRESSED_SIZE].value)
            for meta in metas
        ]
        begin, end = min(first for first, _ in places), max(last for _, last in places)
        if not before <= begin <= end <= size or end - begin > MOST_GROUP_BYTES:
            raise Malformed("a row group is not where the footer says")
        before = end
        group[RowGroup.FILE_OFFSET] = i64(begin)
        yield group, begin, end


def _without_indexes(chunk: Struct) -> Struct:
    for number in INDEXES:
        chunk.pop(number, None)
    for number in BLOOM_FILTERS:
        chunk[ColumnChunk.META_DATA].pop(number, None)
    return chunk
