"""Rows that waited for a row group when a recording was cut off, as its journal has them.

What is read may come from anybody: time and memory have bounds, and nothing is given to Arrow before it is known what
it would take of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pyarrow as pa

from sysmon.bpf.trace_file import arrowsize, journal, schema, tables
from sysmon.bpf.trace_file.directory import Directory
from sysmon.bpf.trace_file.journal import BATCH_HEAD, OPENING
from sysmon.bpf.trace_file.partial import JOURNALS

MOST_JOURNAL_BYTES, MOST_WAITING_BYTES = 256 << 20, 512 << 20
"""Of a journal as it stands on the disk, and of the rows in it: a recorder has a tenth of that wait."""

MOST_WAITING_ROWS = 1 << 22


class Waiting:
    """Rows of no row group by kind, as far as memory allows. Raises ValueError past that."""

    def __init__(self) -> None:
        self._batches: dict[str, list[pa.Table]] = {}
        self._opening: dict[str, list[pa.Table]] = {}
        self._declared = {f.name: f.type for f in schema.wide()}
        self._bytes = self._rows = 0

    def read(self, directory: Directory, used: int, commit: int, generations: dict[str, int]) -> None:
        """Takes what the journal in use has of this commit; `generations`: the row groups that had rows of a kind."""
        for content in _batches(directory, used):
            number, generation, name = BATCH_HEAD.unpack_from(content)
            kind = name.rstrip(b"\0").decode()
            if number <= commit and generation == generations.get(kind, 0):
                self._add(kind, pa.py_buffer(content[BATCH_HEAD.size :]))

    def rows(self) -> dict[str, pa.Table]:
        """By kind."""
        return _joined(self._batches)

    def opening(self) -> dict[str, pa.Table]:
        """Those that only the first of several parts needs."""
        return _joined(self._opening)

    def _add(self, kind: str, stream: pa.Buffer) -> None:
        self._take(arrowsize.stream_bytes(stream))
        with pa.ipc.open_stream(stream) as batches:
            self._check(batches.schema)
            table = batches.read_all()
        table.validate(full=True)  # offsets that lie would have Arrow read beyond its memory
        self._count(table)
        to = self._opening if kind.startswith(OPENING) else self._batches
        to.setdefault(kind.removeprefix(OPENING), []).append(tables.without_dictionaries(table))

    def _count(self, table: pa.Table) -> None:
        """Of dictionaries, what they take without: a value may be in very many rows."""
        self._rows += table.num_rows
        if self._rows > MOST_WAITING_ROWS:
            raise ValueError("more rows than can wait")
        for column in table.columns:
            if pa.types.is_dictionary(column.type):
                self._take(arrowsize.plain_bytes(column))

    def _take(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MOST_WAITING_BYTES:
            raise ValueError("rows that take more memory than can wait")

    def _check(self, found: pa.Schema) -> None:
        for column in found:
            plain = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
            if self._declared.get(column.name) != plain:
                raise ValueError(f"no trace has a column {column.name} of type {column.type}")


def _batches(directory: Directory, used: int) -> Iterator[bytes]:
    """Contents of the frames of the journal in use; none if it is not there."""
    if used not in range(len(JOURNALS)):
        raise ValueError("no journal of that number")
    try:
        file = directory.reader(JOURNALS[used])
    except FileNotFoundError:
        return
    with file:
        if os.fstat(file.fileno()).st_size > MOST_JOURNAL_BYTES:
            raise ValueError("a journal of more than 256 MiB")
        for _kind, content in journal.frames(file):
            yield content


def _joined(batches: dict[str, list[pa.Table]]) -> dict[str, pa.Table]:
    return {kind: pa.concat_tables(found, promote_options="default") for kind, found in batches.items()}


def merged(parts: list[dict[str, pa.Table]]) -> dict[str, pa.Table]:
    """Rows of each kind of all the parts."""
    found: dict[str, list[pa.Table]] = {}
    for part in parts:
        for kind, table in part.items():
            found.setdefault(kind, []).append(table)
    return _joined(found)
