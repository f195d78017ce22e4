"""Reads what a recording left that was cut off, and makes a whole file of it.

What is read may come from anybody, so nothing in it is believed before it is checked: time and memory have bounds,
and what was not written by a recorder is one line. `sysmon.bpf.trace_file.partial` has the format.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import pyarrow as pa

from sysmon.bpf.trace_file import arrowsize, encoder, footer, journal, pages, partial, schema, tables, thrift
from sysmon.bpf.trace_file.directory import Directory, Unsafe
from sysmon.bpf.trace_file.journal import BATCH_HEAD, OPENING, Group
from sysmon.bpf.trace_file.metadata import DAMAGED, RUNNING
from sysmon.bpf.trace_file.parquet_thrift import RowGroup
from sysmon.bpf.trace_file.partial import JOURNALS, LOG, ROWS
from sysmon.errors import SysmonError

MOST_FRAMES = 1 << 22
"""Of a log. Commits every two seconds make as many in three months."""

MOST_GROUPS = 1 << 16
"""Row groups of a recording. A footer of so many is larger than what a reader takes."""

MOST_LOG_BYTES = 4 << 30

MOST_JOURNAL_BYTES, MOST_WAITING_BYTES = 256 << 20, 512 << 20
"""Of a journal as it stands on the disk, and of the rows in it: a recorder has a tenth of that wait."""

MOST_WAITING_ROWS = 1 << 22

MOST_GROUP_BYTES = 256 << 20

MOST_ROWS = 1 << 48
"""Of a kind: no recorder counts so far."""


class BadPartial(SysmonError):
    """Nothing can be made of what is left of a recording."""


class TooLarge(BadPartial):
    """What would be made of it is larger than it may be."""


@contextlib.contextmanager
def _understood(directory: Directory) -> Iterator[None]:
    """What is not as a recorder writes it is one line. Checksums tell damage; this is for what was made up.

    OSError with a number is of the file system, without one of Arrow.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
        raise BadPartial(f"{directory.path}: cannot be understood ({_said(error)}); remove it") from None
    except struct.error as error:
        raise BadPartial(f"{directory.path}: cannot be understood ({_said(error)}); remove it") from None
    except Unsafe as error:
        raise BadPartial(f"{directory.path}: {error.strerror}: a recorder did not leave it so; remove it") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise BadPartial(f"{directory.path}: cannot be understood ({_said(error)}); remove it") from None


def _said(error: Exception) -> str:
    return " ".join(ascii(str(error))[1:-1].split())[:200] or type(error).__name__


@dataclass
class Partial:
    """What a directory holds, as its last commit has it."""

    directory: Directory
    empty: bytes = b""  # a Parquet file without rows
    recording: dict[str, Any] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    waiting: dict[str, pa.Table] = field(default_factory=dict)  # rows of no row group, by kind
    expected: dict[str, int] = field(default_factory=dict)  # rows of each kind that were there at the commit
    opening: dict[str, pa.Table] = field(default_factory=dict)  # rows that only the first of several parts needs
    losses_before: list[dict[str, Any]] = field(default_factory=list)  # of parts before
    running: bool = False  # whether the recorder still writes it


def read(directory: Directory) -> Partial:
    """What is there of a recording up to its last commit. Raises BadPartial, OSError.

    A recorder that still runs may change over to the other journal meanwhile; then it is read again.
    """
    for _ in range(5):
        with _understood(directory):
            found, commit = _read_log(directory)
            found.running = partial.is_running(directory)
            _read_journal(found, commit)
            if not found.running or not _missing(found.expected, _present([found])):
                break
    if found.running:
        found.recording["stopped_by"] = RUNNING
    return found


def read_parts(directories: list[Directory]) -> tuple[list[Partial], dict[str, Any]]:
    """The parts of one recording, and what the trace of all of them says of itself. Raises BadPartial, OSError."""
    parts = []
    for number, directory in enumerate(directories):
        try:
            parts.append(read(directory))
        except BadPartial:
            if number == 0 or directory is not directories[-1]:
                raise  # only the last may have been begun a moment before
    with _understood(directories[0]):
        return parts, _joined_recording(parts)


def _joined_recording(parts: list[Partial]) -> dict[str, Any]:
    first = parts[0]
    first.waiting = _merged([first.waiting, first.opening])
    for kind, table in first.opening.items():
        first.expected[kind] = first.expected.get(kind, 0) + table.num_rows
    last = parts[-1].recording
    before = {(loss["cause"], loss["place"]): loss["lost"] for loss in first.losses_before}
    losses = [{**loss, "lost": loss["lost"] - before.get((loss["cause"], loss["place"]), 0)} for loss in last["losses"]]
    losses = [loss for loss in losses if loss["lost"]]
    return {**last, "started_ns": first.recording["started_ns"], "losses": losses}


# -- the log


def _read_log(directory: Directory) -> tuple[Partial, dict[str, Any]]:
    found = Partial(directory)
    groups: list[Group] = []
    commit, committed = b"", 0  # the last one, and the row groups that it knows
    with directory.reader(LOG) as log:
        if os.fstat(log.fileno()).st_size > MOST_LOG_BYTES:
            raise ValueError("a log of more than 4 GiB")
        for number, (kind, content) in enumerate(journal.frames(log)):
            if number >= MOST_FRAMES:
                raise ValueError(f"more than {MOST_FRAMES:,} frames in its log")
            if kind == journal.SCHEMA:
                found.empty = content
            elif kind == journal.RECORDING:
                found.recording = json.loads(content)
            elif kind == journal.GROUP:
                groups.append(_group(content))
            elif kind == journal.COMMIT:
                commit, committed = content, len(groups)
            if len(groups) > MOST_GROUPS:
                raise ValueError(f"more than {MOST_GROUPS:,} row groups")
    if not commit or not found.empty:
        raise BadPartial(f"{directory.path}: the recording was interrupted before anything was written; remove it")
    last = json.loads(commit)
    found.groups = groups[:committed]
    found.losses_before = found.recording["losses"]
    found.recording.update(last["changes"])
    found.expected = _counts(last["rows"])
    return found, last


def _group(content: bytes) -> Group:
    group = Group(**json.loads(content))
    _counts(group.rows)
    return group


def _counts(rows: dict[str, int]) -> dict[str, int]:
    """Rows of each kind, if they can be that. Raises ValueError."""
    for count in rows.values():
        if type(count) is not int or not 0 <= count < MOST_ROWS:
            raise ValueError("a number of rows that cannot be")
    return rows


# -- the journal


def _read_journal(found: Partial, commit: dict[str, Any]) -> None:
    generations: dict[str, int] = {}
    for group in found.groups:
        for kind in group.rows:
            generations[kind] = generations.get(kind, 0) + 1
    waiting = _Waiting()
    for content in _batches(found.directory, commit["journal"]):
        number, generation, name = BATCH_HEAD.unpack_from(content)
        kind = name.rstrip(b"\0").decode()
        if number <= commit["commit"] and generation == generations.get(kind, 0):
            waiting.add(kind, pa.py_buffer(content[BATCH_HEAD.size :]))
    found.waiting, found.opening = _joined(waiting.batches), _joined(waiting.opening)


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


class _Waiting:
    """Rows of no row group by kind, as far as memory allows. Raises ValueError past that."""

    def __init__(self) -> None:
        self.batches: dict[str, list[pa.Table]] = {}
        self.opening: dict[str, list[pa.Table]] = {}
        self._declared = {f.name: f.type for f in schema.wide()}
        self._bytes = self._rows = 0

    def add(self, kind: str, stream: pa.Buffer) -> None:
        self._take(arrowsize.stream_bytes(stream))
        with pa.ipc.open_stream(stream) as batches:
            self._check(batches.schema)
            table = batches.read_all()
        table.validate(full=True)  # offsets that lie would have Arrow read beyond its memory
        self._rows += table.num_rows
        if self._rows > MOST_WAITING_ROWS:
            raise ValueError("more rows than can wait")
        for column in table.columns:
            if pa.types.is_dictionary(column.type):
                self._take(arrowsize.plain_bytes(column))
        to = self.opening if kind.startswith(OPENING) else self.batches
        to.setdefault(kind.removeprefix(OPENING), []).append(tables.without_dictionaries(table))

    def _take(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MOST_WAITING_BYTES:
            raise ValueError("rows that take more memory than can wait")

    def _check(self, found: pa.Schema) -> None:
        for column in found:
            plain = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
            if self._declared.get(column.name) != plain:
                raise ValueError(f"no trace has a column {column.name} of type {column.type}")


def _joined(batches: dict[str, list[pa.Table]]) -> dict[str, pa.Table]:
    return {kind: pa.concat_tables(tables, promote_options="default") for kind, tables in batches.items()}


def _merged(parts: list[dict[str, pa.Table]]) -> dict[str, pa.Table]:
    found: dict[str, list[pa.Table]] = {}
    for part in parts:
        for kind, table in part.items():
            found.setdefault(kind, []).append(table)
    return _joined(found)


# -- what is there, and what is not


def _present(parts: list[Partial]) -> dict[str, int]:
    """Rows of each kind that are there."""
    rows: dict[str, int] = {}
    for part in parts:
        counts = [group.rows for group in part.groups]
        counts.append({kind: table.num_rows for kind, table in part.waiting.items()})
        for count in counts:
            for kind, n in count.items():
                rows[kind] = rows.get(kind, 0) + n
    return rows


def _missing(expected: dict[str, int], present: dict[str, int]) -> dict[str, int]:
    missing = {kind: count - present.get(kind, 0) for kind, count in expected.items()}
    return {kind: count for kind, count in missing.items() if count}


# -- a whole file


def write(
    parts: list[Partial], recording: dict[str, Any], out: BinaryIO, most_bytes: int | None = None
) -> dict[str, Any]:
    """Writes one whole file of parts that have the same columns; `out` is empty. Raises OSError, BadPartial.

    Returns what the trace says of itself: `recording`, with the rows that there are and those that were damaged.
    Raises TooLarge before anything is written if its row groups may take more than `most_bytes`.
    """
    size = sum(part.directory.status(ROWS).st_size for part in parts if part.directory.exists(ROWS))
    if most_bytes is not None and size > most_bytes:
        raise TooLarge(f"{parts[0].directory.path}: a recording of {size >> 20:,} MiB that was cut off")
    with _understood(parts[0].directory):
        summed = _Summed(out)
        summed.write(footer.MAGIC)
        groups: list[bytes] = []
        for part in parts:
            for data, found in _row_groups(part):
                groups.append(thrift.dump(footer.moved(found, summed.tell() - found[RowGroup.FILE_OFFSET].value)))
                summed.write(data)
        return _finish(parts, recording, groups, summed)


def complete(part: Partial, recording: dict[str, Any]) -> dict[str, Any]:
    """Makes a whole file of `rows` itself: only what waits and a footer are written. Raises OSError, BadPartial.

    If that does not come to its end, it can be done again.
    """
    with _understood(part.directory):
        groups = [thrift.dump(found) for _data, found in _row_groups(part)]
    with _understood(part.directory), part.directory.changer(ROWS) as out:
        out.write(footer.MAGIC)
        out.truncate(max([len(footer.MAGIC), *(group.end for group in part.groups)]))
        whole = _finish([part], recording, groups, _Summed(out))
        out.flush()
        os.fsync(out.fileno())
    return whole


class _Summed:
    """A file that is written at its end, and the CRC of all of it."""

    def __init__(self, out: BinaryIO) -> None:
        """What is in it already is read."""
        self._out = out
        self.crc = 0
        out.seek(0)
        while out.readable() and (data := out.read(1 << 20)):
            self.crc = zlib.crc32(data, self.crc)

    def write(self, data: bytes) -> None:
        self._out.write(data)
        self.crc = zlib.crc32(data, self.crc)

    def tell(self) -> int:
        return self._out.tell()


def _row_groups(part: Partial) -> Iterator[tuple[bytes, thrift.Struct]]:
    """Each row group that is whole, and what a footer says of it; the others are dropped from the part."""
    columns = footer.leaves(_end(part))
    kept = []
    try:
        file = part.directory.reader(ROWS)
    except FileNotFoundError:
        part.groups = []
        return
    with file:
        size, end = os.fstat(file.fileno()).st_size, 0
        for group in part.groups:
            # Each after the one before, so that what is read is no more than the file has.
            if not (end <= group.begin <= group.end <= size and group.end - group.begin <= MOST_GROUP_BYTES):
                continue
            data = os.pread(file.fileno(), group.end - group.begin, group.begin)
            if zlib.crc32(data) != group.crc:
                continue
            try:
                found = pages.row_group(data, group.begin, sum(group.rows.values()), columns)
            except pages.BadPages:
                continue
            end = group.end
            kept.append(group)
            yield data, found
    part.groups = kept


def _end(part: Partial) -> thrift.Struct:
    try:
        return footer.read(part.empty)
    except thrift.Malformed as error:
        raise BadPartial(f"{part.directory.path}: cannot be understood ({error}); remove it") from None


def _finish(parts: list[Partial], recording: dict[str, Any], groups: list[bytes], out: _Summed) -> dict[str, Any]:
    """Writes what comes after the row groups that are there."""
    waiting = _merged([part.waiting for part in parts])
    if waiting:
        _append(waiting, encoder.Encoder(parts[0].empty), out, groups)
    present = _present(parts)
    damaged = [
        {"cause": DAMAGED, "place": kind, "lost": count}
        for part in parts
        for kind, count in _missing(part.expected, _present([part])).items()
    ]
    whole = {
        **recording,
        "rows": {kind: present.get(kind, 0) for kind in recording["rows"]},
        "losses": [*recording["losses"], *damaged],
    }
    texts = schema.texts(whole, out.tell(), out.crc)
    out.write(footer.with_row_groups(_end(parts[0]), sum(present.values()), groups, texts))
    return whole


def _append(waiting: dict[str, pa.Table], encoder: encoder.Encoder, out: _Summed, groups: list[bytes]) -> None:
    """The rows as row groups; kinds of few rows share one."""
    found = [tables.of_kind(kind, tables.sorted_rows(table)) for kind, table in waiting.items()]
    few = [table for table in found if table.num_rows < tables.SHARED_ROWS]
    rest = [table for table in found if table.num_rows >= tables.SHARED_ROWS]
    for table in ([tables.joined(few)] if few else []) + rest:
        for at in range(0, table.num_rows, 2 * tables.GROUP_ROWS):
            group = encoder.row_group(table.slice(at, 2 * tables.GROUP_ROWS), out.tell())
            out.write(group.data)
            groups.append(group.said)
