"""Writes a trace: one row group after the other, and then the footer.

Used by the recorder, to recover a recording that was cut off, and to make a trace from another.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Self

import pyarrow as pa
import pyarrow.compute as pc

from sysmon.bpf.trace_file import footer, schema, tables, thrift
from sysmon.bpf.trace_file.encoder import Encoder
from sysmon.bpf.trace_file.journal import Group, pack, write_all
from sysmon.bpf.trace_file.parquet_thrift import RowGroup

MOST_ROWS = 4 * tables.GROUP_ROWS
"""Most rows of a row group, if very many rows of a kind come at once."""


class Sink:
    """Appends to a file, which need not be readable or seekable. Raises OSError."""

    def __init__(self, out: BinaryIO, empty: bytes) -> None:
        """`out` is empty, and `empty` a Parquet file of its columns without rows."""
        self._start(out, empty)
        self._put(footer.MAGIC)

    @classmethod
    def after(cls, out: BinaryIO, empty: bytes) -> Self:
        """Continues a file that ends with a row group. Its content is read, for the checksum."""
        sink = cls.__new__(cls)
        sink._start(out, empty)
        out.seek(0)
        while data := out.read(1 << 20):
            sink._note(data)
        return sink

    def _start(self, out: BinaryIO, empty: bytes) -> None:
        self._out, self._empty = out, empty
        self._encoder = Encoder(empty)
        self._groups = _Alike()  # each row group's entry in the footer
        self._crc = 0  # of everything written
        self.bytes = 0  # that were written
        self.rows = 0  # in all row groups

    def _put(self, data: bytes) -> None:
        write_all(self._out, data)
        self._note(data)

    def _note(self, data: bytes) -> None:
        self._crc = zlib.crc32(data, self._crc)
        self.bytes += len(data)

    def write(self, of: dict[str, pa.Table]) -> Iterator[Group]:
        """Writes rows of some kinds as a row group, or as several if there are very many of one kind. Yields each.

        Removes the tables from the dict, so that their memory is freed as they are written.
        """
        counts = {kind: table.num_rows for kind, table in of.items()}
        table = tables.joined(of.values()) if len(of) > 1 else next(iter(of.values()))
        of.clear()
        most = MOST_ROWS if len(counts) == 1 else max(1, table.num_rows)
        for at in range(0, table.num_rows, most):
            piece = table.slice(at, most)
            yield self._append(piece, counts if len(counts) > 1 else dict.fromkeys(counts, piece.num_rows))

    def _append(self, table: pa.Table, rows: dict[str, int]) -> Group:
        begin = self.bytes
        group = self._encoder.row_group(table, begin)
        self._put(group.data)
        self._groups.append(group.said)
        self.rows += table.num_rows
        ts = pc.min_max(table["ts"].cast(pa.int64())).as_py()
        return Group(begin, self.bytes, zlib.crc32(group.data), rows, ts["min"], ts["max"], pack(group.said))

    def copy(self, data: bytes, said: thrift.Struct) -> None:
        """Copies a row group from another file as it is; `said`: its entry in that file's footer."""
        moved = footer.moved(said, self.bytes - said[RowGroup.FILE_OFFSET].value)
        self.add(moved)
        self._put(data)

    def add(self, said: thrift.Struct) -> None:
        """Adds a row group that is already in the file to the footer."""
        self._groups.append(thrift.dump(said))
        self.rows += said[RowGroup.NUM_ROWS].value

    def finish(self, recording: Mapping[str, Any]) -> None:
        """Writes the footer, after the last row group."""
        texts = schema.texts(recording, self.bytes, self._crc)
        self._put(footer.with_row_groups(footer.read(self._empty), self.rows, list(self._groups), texts))


class _Alike:
    """Similar texts, compressed: of the 5 kB of a row group's entry in the footer, 1 kB remains."""

    def __init__(self) -> None:
        self._first = b""
        self._packed: list[bytes] = []

    def append(self, text: bytes) -> None:
        self._first = self._first or text
        packer = zlib.compressobj(zdict=self._first)
        self._packed.append(packer.compress(text) + packer.flush())

    def __iter__(self) -> Iterator[bytes]:
        for packed in self._packed:
            yield zlib.decompressobj(zdict=self._first).decompress(packed)
