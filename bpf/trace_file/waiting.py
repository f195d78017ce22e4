"""Rows that waited for a row group when a recording was cut off, as its journal has them.

What is read may come from anybody: time and memory have bounds, and nothing is given to Arrow before it is known what
it would take of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa

from sysmon.bpf.trace_file import arrowsize, journal, schema, tables
from sysmon.bpf.trace_file.files import Files
from sysmon.bpf.trace_file.journal import BATCH_HEAD, HEAD, OPENING
from sysmon.bpf.trace_file.partial import JOURNALS

MOST_JOURNAL_BYTES, MOST_WAITING_BYTES = 256 << 20, 512 << 20
"""Of a journal as it stands on the disk, and of the rows in it: a recorder has a tenth of that wait."""

MOST_WAITING_ROWS = 1 << 22


@dataclass
class _Batch:
    """Rows of the journal, and what was taken of the bounds for them."""

    generation: int  # how many row groups had rows of their kind before them
    table: pa.Table
    bytes: int


class Waiting:
    """Rows of no row group by kind, as far as memory allows. Raises ValueError past that.

    It can be read again and again while the journal grows. What is in a row group by then is let go.
    """

    def __init__(self, files: Files) -> None:
        """The journals are held open: somebody may give their names to others."""
        self._journals: list[BinaryIO | None] = []
        try:
            for name in JOURNALS:
                self._journals.append(_held(files, name))
        except BaseException:
            self.close()
            raise
        self._batches: dict[str, list[_Batch]] = {}  # of an opening under a name with its prefix
        self._declared = {f.name: f.type for f in schema.wide()}
        self._bytes = self._rows = 0
        self._used = -1  # which journal
        self._at = 0  # how far it was read
        self._commit = 0  # the last that was taken
        self.new: dict[str, list[pa.Table]] = {}  # what the last `read` took, by kind

    def close(self) -> None:
        """Reads nothing any more."""
        for file in self._journals:
            if file:
                file.close()

    def read(self, used: int, commit: int, generations: dict[str, int], anew: bool) -> None:
        """Takes what the journal in use has of this commit; `generations`: the row groups that had rows of a kind.

        `anew`: the journals took turns since, and the one in use repeats all that waits.
        """
        if anew or used != self._used:
            self._batches.clear()
            self._bytes = self._rows = self._at = self._commit = 0
            self._used = used
        self._let_go(generations)
        self.new = {}
        for content in self._contents(used):
            number, generation, name = BATCH_HEAD.unpack_from(content)
            if number > commit:
                break
            kind = name.rstrip(b"\0").decode()
            if number > self._commit and generation == generations.get(kind, 0):
                self._add(kind, generation, pa.py_buffer(content[BATCH_HEAD.size :]))
            self._at += HEAD.size + len(content)
        self._commit = commit

    def _contents(self, used: int) -> Iterator[bytes]:
        """Contents of the frames of the journal in use, from where it was left; none if it is not there."""
        if used not in range(len(JOURNALS)):
            raise ValueError("there is no such journal")
        held = self._journals[used]
        if not held:
            return
        with os.fdopen(os.dup(held.fileno()), "rb") as file:
            if os.fstat(file.fileno()).st_size > MOST_JOURNAL_BYTES:
                raise ValueError("a journal of more than 256 MiB")
            file.seek(self._at)
            for _kind, content in journal.frames(file):
                yield content

    def rows(self) -> dict[str, pa.Table]:
        """By kind."""
        return _joined({kind: found for kind, found in self._tables() if not kind.startswith(OPENING)})

    def opening(self) -> dict[str, pa.Table]:
        """Those that only the first of several parts needs."""
        return _joined({kind[1:]: found for kind, found in self._tables() if kind.startswith(OPENING)})

    def _tables(self) -> Iterator[tuple[str, list[pa.Table]]]:
        for kind, batches in self._batches.items():
            yield kind, [batch.table for batch in batches]

    def _let_go(self, generations: dict[str, int]) -> None:
        for kind, batches in list(self._batches.items()):
            if batches[0].generation != generations.get(kind, 0):
                self._bytes -= sum(batch.bytes for batch in batches)
                self._rows -= sum(batch.table.num_rows for batch in batches)
                del self._batches[kind]

    def _add(self, kind: str, generation: int, stream: pa.Buffer) -> None:
        before = self._bytes
        self._take(arrowsize.stream_bytes(stream))
        with pa.ipc.open_stream(stream) as batches:
            self._check(batches.schema)
            table = batches.read_all()
        table.validate(full=True)  # offsets that lie would have Arrow read beyond its memory
        self._count(table)
        table = tables.without_dictionaries(table)
        batches = self._batches.setdefault(kind, [])
        batches.append(_Batch(generation, table, self._bytes - before))
        while len(batches) > 1 and batches[-2].table.num_rows <= 2 * batches[-1].table.num_rows:
            batches[-2:] = [_together(*batches[-2:])]
        self.new.setdefault(kind, []).append(table)

    def _count(self, table: pa.Table) -> None:
        """Of dictionaries, what they take without: a value may be in very many rows."""
        self._rows += table.num_rows
        if self._rows > MOST_WAITING_ROWS:
            raise ValueError("too many waiting rows")
        for column in table.columns:
            if pa.types.is_dictionary(column.type):
                self._take(arrowsize.plain_bytes(column))

    def _take(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MOST_WAITING_BYTES:
            raise ValueError("waiting rows that take too much memory")

    def _check(self, found: pa.Schema) -> None:
        for column in found:
            plain = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
            if self._declared.get(column.name) != plain:
                raise ValueError(f"no trace has a column {column.name} of type {column.type}")


def _held(files: Files, name: str) -> BinaryIO | None:
    try:
        return files.reader(name)
    except FileNotFoundError:
        return None


def _together(one: _Batch, other: _Batch) -> _Batch:
    """So that not very many small ones wait, of which each query takes each by itself."""
    table = pa.concat_tables([one.table, other.table], promote_options="default").combine_chunks()
    return _Batch(other.generation, table, one.bytes + other.bytes)


def _joined(batches: dict[str, list[pa.Table]]) -> dict[str, pa.Table]:
    return {kind: pa.concat_tables(found, promote_options="default") for kind, found in batches.items()}


def merged(parts: list[dict[str, pa.Table]]) -> dict[str, pa.Table]:
    """Rows of each kind of all the parts."""
    found: dict[str, list[pa.Table]] = {}
    for part in parts:
        for kind, table in part.items():
            found.setdefault(kind, []).append(table)
    return _joined(found)
