"""Computes how much memory an Arrow stream would take, before reading it.

A compressed stream states the uncompressed size of each buffer, and Arrow allocates whatever it states. So these sizes
are summed first, from the messages themselves: "IPC buffers and messages" of Arrow's columnar format, Message.fbs and
the FlatBuffers layout.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

DICTIONARY_BATCH, RECORD_BATCH = 2, 3  # MessageHeader
HEADER_TYPE, HEADER = 1, 2  # fields of Message
DATA = 1  # fields of DictionaryBatch
BUFFERS, COMPRESSION = 2, 3  # fields of RecordBatch

NOT_COMPRESSED = -1
"""The stated length of a buffer that is stored uncompressed in a compressed stream."""


def stream_bytes(stream: pa.Buffer) -> int:
    """Total uncompressed size of the stream's buffers [bytes]. Raises ValueError (including pa.ArrowInvalid) or
    struct.error.
    """
    total = 0
    reader = pa.ipc.MessageReader.open_stream(stream)
    for message in iter(lambda: _next(reader), None):
        if message.body is not None:
            total += sum(_lengths(message.metadata.to_pybytes(), message.body))
    return total


def _next(reader: pa.ipc.MessageReader) -> pa.ipc.Message | None:
    try:
        return reader.read_next_message()
    except StopIteration:
        return None


def _lengths(metadata: bytes, body: pa.Buffer) -> Iterator[int]:
    """Sizes of a message's buffers [bytes]."""
    message = _indirect(metadata, 0)
    kind = _field(metadata, message, HEADER_TYPE)
    batch = _table(metadata, message, HEADER)
    if kind is None or batch is None:
        return
    if metadata[kind] == DICTIONARY_BATCH:
        batch = _table(metadata, batch, DATA)
    elif metadata[kind] != RECORD_BATCH:
        return
    at = _field(metadata, batch, BUFFERS) if batch is not None else None
    if at is None or batch is None:
        return
    compressed = _field(metadata, batch, COMPRESSION) is not None
    first = _indirect(metadata, at)
    (count,) = struct.unpack_from("<I", metadata, first)
    for offset, length in struct.iter_unpack("<qq", metadata[first + 4 : first + 4 + 16 * count]):
        (said,) = struct.unpack_from("<q", body, offset) if compressed and length else (NOT_COMPRESSED,)
        if length < 0 or said < NOT_COMPRESSED:
            raise ValueError("a buffer of negative size")
        yield length if said == NOT_COMPRESSED else said


def _indirect(data: bytes, at: int) -> int:
    return at + int(struct.unpack_from("<I", data, at)[0])


def _field(data: bytes, table: int, number: int) -> int | None:
    """Position of a table's field; None if it has its default."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    (size,) = struct.unpack_from("<H", data, vtable)
    slot = 4 + 2 * number
    (offset,) = struct.unpack_from("<H", data, vtable + slot) if slot + 2 <= size else (0,)
    return table + offset if offset else None


def _table(data: bytes, table: int, number: int) -> int | None:
    at = _field(data, table, number)
    return None if at is None else _indirect(data, at)


def plain_bytes(column: pa.ChunkedArray) -> int:
    """Size of a dictionary-encoded column's texts if each row stored its own [bytes]."""
    total = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary)
        total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    return total
