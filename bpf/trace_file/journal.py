"""The log and the journal of an unfinished trace: what has been committed, and rows that are not in a row group yet.

Both are frames, each with its length and a checksum. A commit is the last frame of a state in which rows, losses and
clocks belong together; what comes after the last commit is no part of the trace.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import pyarrow as pa

from sysmon.bpf.trace_file import footer, partial
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.bpf.trace_file.tables import together

SCHEMA, RECORDING, GROUP, COMMIT, BATCH = (kind.encode() for kind in "SRGCB")
"""Kinds of frames. In the log: a Parquet file without rows, what the trace says of itself, a row group that was
written, a commit; the last three are JSON. In a journal: a batch of rows."""

MOST_BYTES = {SCHEMA: 1 << 20, RECORDING: 16 << 20, GROUP: 1 << 16, COMMIT: 16 << 20, BATCH: 64 << 20}
"""Maximum size of each kind of frame. No recorder writes a larger one."""

OPENING = "+"
"""Prefix of the kind of rows of a part's initial state snapshot. They repeat what the previous part ends with."""

HEAD = struct.Struct("<cxxxII")
"""Before each frame: its kind, its length, and the CRC of kind and content."""

BATCH_HEAD = struct.Struct("<II32s")
"""Before the Arrow stream of a batch: its commit, how many row groups had rows of its kind, and the kind."""

FRAME_BYTES = 16 << 20
"""Rows are split into frames of about this size, as readers limit the size of frames."""

SMALL_JOURNAL_BYTES = 4 << 20
"""A smaller journal is not restarted."""

COMPRESSED_BYTES = 1 << 18
"""Smaller batches are not compressed: that takes three times the CPU time of writing them as they are."""


MOST_SAID_BYTES = 1 << 20
"""Maximum size of a row group's entry in the footer; the usual one is 5 kB."""


def pack(said: bytes) -> str:
    """A row group's entry in the footer, as text for the log: 2 kB instead of 5."""
    return base64.b64encode(zlib.compress(said)).decode()


def unpack(text: str) -> bytes:
    """The same as it was. Raises ValueError."""
    unpacker = zlib.decompressobj()
    try:
        said = unpacker.decompress(base64.b64decode(text, validate=True), MOST_SAID_BYTES)
    except zlib.error as error:
        raise ValueError(f"the description of a row group cannot be unpacked: {error}") from None
    if not unpacker.eof:
        raise ValueError("the description of a row group is too long")
    return said


def frame(kind: bytes, content: bytes) -> bytes:
    """A frame as it stands in a file."""
    return HEAD.pack(kind, len(content), zlib.crc32(content, kind[0])) + content


def frames(data: bytes | BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the frames that are whole, up to the first that is not."""
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    while len(head := file.read(HEAD.size)) == HEAD.size:
        kind, length, crc = HEAD.unpack(head)
        if length > MOST_BYTES.get(kind, -1):
            return
        content = file.read(length)
        if len(content) != length or zlib.crc32(content, kind[0]) != crc:
            return
        yield kind, content


def batch_frame(commit: int, generation: int, kind: str, batches: list[pa.RecordBatch]) -> list[Any]:
    """The frame of rows that wait, in pieces; `generation`: how many row groups had rows of their kind before them."""
    sink = pa.BufferOutputStream()
    declared = batches[0].schema
    bare = _without_metadata(declared)
    size = sum(batch.get_total_buffer_size() for batch in batches)  # `nbytes` takes longer than writing them
    compression = "lz4" if size >= COMPRESSED_BYTES else None
    with pa.ipc.new_stream(sink, bare, options=pa.ipc.IpcWriteOptions(compression=compression)) as stream:
        for batch in batches:
            stream.write_batch(batch if bare is declared else pa.RecordBatch.from_arrays(batch.columns, schema=bare))
    head, rows = BATCH_HEAD.pack(commit, generation, kind.encode()), sink.getvalue()
    crc = zlib.crc32(rows, zlib.crc32(head, BATCH[0]))
    return [HEAD.pack(BATCH, len(head) + rows.size, crc), head, rows]


def _without_metadata(schema: pa.Schema) -> pa.Schema:
    """Without what each column means."""
    described = schema.metadata or any(field.metadata for field in schema)
    return pa.schema([pa.field(field.name, field.type) for field in schema]) if described else schema


@dataclass
class Group:
    """A row group in `rows`."""

    begin: int
    end: int
    crc: int  # of all its bytes: those of pages do not cover what stands before each
    rows: dict[str, int]  # of each kind
    first_ns: int | None = None  # the earliest and the latest time in it; older recorders did not write these three
    last_ns: int | None = None
    said: str = ""  # what a footer says of it, as `pack` has it


class Journal:
    """What stands on the disk besides row groups. Raises OSError."""

    def __init__(self, log: BinaryIO, journals: list[BinaryIO]) -> None:
        self._log, self._journals = log, journals
        self._used = 0  # which of the journals
        self._bytes = 0  # in it
        self._live_bytes = 0  # when it was begun
        self._commit = 0
        self.groups = 0  # that were written
        self._rows_bytes = len(footer.MAGIC)  # up to the end of the last row group
        self.committed_bytes = 0  # of the file that belong to the last commit
        self._generations: dict[str, int] = {}
        self._noted: dict[str, int] = {}  # of each kind, the batches that are in the journal
        with contextlib.suppress(OSError):  # a file system without locks
            partial.lock(log)

    @property
    def committed(self) -> bool:
        """Whether a trace can be made of what is there."""
        return self._commit > 0

    def begin(self, empty: bytes, recording: Recording) -> None:
        """What each trace needs."""
        write_all(self._log, frame(SCHEMA, empty))
        write_all(self._log, frame(RECORDING, json.dumps(recording).encode()))

    def wrote(self, group: Group) -> None:
        """A row group has been written. It belongs to the next commit."""
        write_all(self._log, frame(GROUP, json.dumps(asdict(group)).encode()))
        self._rows_bytes = group.end
        self.groups += 1
        for kind in group.rows:
            self._generations[kind] = self._generations.get(kind, 0) + 1
            self._noted.pop(kind, None)

    def commit(self, pending: dict[str, list[pa.RecordBatch]], rows: dict[str, int], changes: dict[str, Any]) -> None:
        """Notes the rows that wait, those that are not noted yet, and then that all is there."""
        number, over = self._commit + 1, self._turn()
        for kind, batches in pending.items():
            self._note(number, kind, batches)
        if over:
            self._live_bytes = self._bytes
        text = {"commit": number, "journal": self._used, "rows": rows, "changes": changes}
        write_all(self._log, frame(COMMIT, json.dumps(text).encode()))
        self._commit, self.committed_bytes = number, self._rows_bytes
        if over:
            os.ftruncate(over.fileno(), 0)
            os.lseek(over.fileno(), 0, os.SEEK_SET)

    def _turn(self) -> BinaryIO | None:
        """Goes over to the other journal if most of this one is of row groups by now. Returns this one then."""
        if self._bytes <= max(2 * self._live_bytes, SMALL_JOURNAL_BYTES):
            return None
        over, self._used = self._journals[self._used], 1 - self._used
        self._noted.clear()
        self._bytes = 0
        return over

    def _note(self, number: int, kind: str, batches: list[pa.RecordBatch]) -> None:
        new = batches[self._noted.get(kind, 0) :]
        if not new:
            return
        # As one: writing a batch takes as long for a few rows as for a thousand.
        table = together(new).combine_chunks() if len(new) > 1 else pa.Table.from_batches(new)
        rows = max(1, table.num_rows * FRAME_BYTES // max(1, table.get_total_buffer_size()))
        for at in range(0, table.num_rows, rows):
            self._put(batch_frame(number, self._generations.get(kind, 0), kind, table.slice(at, rows).to_batches()))
        self._noted[kind] = len(batches)

    def _put(self, pieces: list[Any]) -> None:
        for piece in pieces:
            write_all(self._journals[self._used], piece)
            self._bytes += len(piece)

    def joined(self, kind: str, batches: int) -> None:
        """The batches that wait, all of which are noted, are so many now."""
        self._noted[kind] = batches

    def descriptors(self) -> list[int]:
        """Of its files."""
        return [file.fileno() for file in (self._log, *self._journals)]

    def close(self) -> None:
        """Writes nothing any more."""
        for file in (self._log, *self._journals):
            file.close()


def write_all(file: BinaryIO, data: Any) -> None:
    """Writes all of it, as an unbuffered file may take a part only."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
