"""A trace that is not complete: what the recorder keeps of it on disk, and how a whole file is made of that.

It is a directory beside the file that it will be, `.NAME.TOKEN.partial`, or several that are one recording's parts,
`.NAME.TOKEN-NUMBER.partial`, of which the oldest were removed:

    rows        the Parquet file as far as it is written: row groups, no footer
    log         what it takes to finish it: see the frames below
    journal.0   rows that wait in memory for a row group, as Arrow IPC; one of the two at a time is in use
    journal.1

A commit is the last thing to be written of a state in which rows, losses and clocks belong together; what comes after
the last commit is no part of the trace. So a trace that was cut off is one that ended at its last commit. Every frame
and every page has a checksum. If rows are missing that a commit speaks of, as after a loss of power, they are counted
in the losses of the trace.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from bpf import pages, rowgroups, schema, thrift
from bpf.errors import SysmonError
from bpf.metadata import RUNNING

SUFFIX = ".partial"

ROWS, LOG, JOURNALS = "rows", "log", ("journal.0", "journal.1")

DAMAGED = "damaged"
"""Cause of losses: rows that were written and could not be read again."""

SCHEMA, RECORDING, GROUP, COMMIT, BATCH = (kind.encode() for kind in "SRGCB")
"""Kinds of frames. In the log: a Parquet file without rows, what the trace says of itself, a row group that was
written, a commit; the last three are JSON. In a journal: a batch of rows."""

OPENING = "+"
"""Before the kind of rows that say how things stood when a part began: they double what the part before says."""

HEAD = struct.Struct("<cxxxII")
"""Before each frame: its kind, its length, and the CRC of kind and content."""

BATCH_HEAD = struct.Struct("<II32s")
"""Before the Arrow stream of a batch: its commit, how many row groups had rows of its kind, and the kind."""

OUT_OF_ORDER_NS = 2_000_000_000
"""Rows of one kind come through several rings, of which some are read later than others. To move all columns for that
takes a tenth of the time that it takes to record a row."""

GROUP_ROWS = 1 << 15
"""Rows of a kind that are gathered before they are written as a row group.

More take more memory in the recorder and longer at a time; fewer make the file larger, by 10 kB a row group.
"""

SHARED_ROWS = 1 << 12
"""Fewer rows of a kind than these do not get a row group of their own."""

COMPRESSED_BYTES = 1 << 18
"""Fewer bytes of rows that wait are not compressed: that takes three times the CPU time of writing them as they are."""


class BadPartial(SysmonError):
    """Nothing can be made of what is left of a recording."""


@contextlib.contextmanager
def _understood(directory: Path) -> Iterator[None]:
    """What is not as a recorder writes it is one line. Checksums tell damage; this is for what was made up.

    OSError with a number is of the file system, without one of Arrow.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
        raise BadPartial(f"{directory}: cannot be understood ({_said(error)}); remove it") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise BadPartial(f"{directory}: cannot be understood ({_said(error)}); remove it") from None


def _said(error: Exception) -> str:
    return " ".join(ascii(str(error))[1:-1].split())[:200] or type(error).__name__


def frame(kind: bytes, content: bytes) -> bytes:
    """A frame as it stands in a file."""
    return HEAD.pack(kind, len(content), zlib.crc32(content, kind[0])) + content


def frames(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the frames that are whole, up to the first that is not."""
    at = 0
    while len(data) - at >= HEAD.size:
        kind, length, crc = HEAD.unpack_from(data, at)
        content = data[at + HEAD.size : at + HEAD.size + length]
        if len(content) != length or zlib.crc32(content, kind[0]) != crc:
            return
        yield kind, content
        at += HEAD.size + length


def batch_frame(commit: int, generation: int, kind: str, batches: list[pa.RecordBatch]) -> list[Any]:
    """The frame of rows that wait, in pieces; `generation`: how many row groups had rows of their kind before them."""
    sink = pa.BufferOutputStream()
    bare = pa.schema([pa.field(f.name, f.type) for f in batches[0].schema])  # without what each column means
    compression = "lz4" if sum(batch.nbytes for batch in batches) >= COMPRESSED_BYTES else None
    with pa.ipc.new_stream(sink, bare, options=pa.ipc.IpcWriteOptions(compression=compression)) as stream:
        for batch in batches:
            stream.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=bare))
    head, rows = BATCH_HEAD.pack(commit, generation, kind.encode()), sink.getvalue()
    crc = zlib.crc32(rows, zlib.crc32(head, BATCH[0]))
    return [HEAD.pack(BATCH, len(head) + rows.size, crc), head, rows]


def empty_file(wide: pa.Schema) -> bytes:
    """A trace without rows and without a recording, for its footer."""
    sink = io.BytesIO()
    writer = rowgroups.parquet_writer(sink, wide)
    writer.add_key_value_metadata({schema.KINDS_KEY: schema.describe_kinds()})
    writer.close()
    return sink.getvalue()


def of_kind(kind: str, table: pa.Table) -> pa.Table:
    """The rows with the column that says their kind."""
    index = pa.repeat(pa.scalar(0, pa.int8()), table.num_rows)
    return table.append_column("kind", pa.DictionaryArray.from_arrays(index, [kind]))


def joined(tables: Iterable[pa.Table]) -> pa.Table:
    """Rows of several kinds, each with the columns of all."""
    return pa.concat_tables(map(_without_dictionaries, tables), promote_options="default")


def together(batches: list[pa.RecordBatch]) -> pa.Table:
    """Rows of one kind. A batch may lack columns that are NULL in it."""
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    types: dict[str, pa.DataType] = {}
    if any(types.setdefault(f.name, f.type) != f.type for table in tables for f in table.schema):
        return joined(tables)  # some rows are of rings, and some were made in Python
    return pa.concat_tables(tables, promote_options="default").unify_dictionaries()


def sorted_rows(table: pa.Table) -> pa.Table:
    """The rows in the order of `ts`, which serves who looks for a time: what is `OUT_OF_ORDER_NS` late may stay so."""
    ts = table.column("ts").combine_chunks().cast(pa.int64()).to_numpy(zero_copy_only=False)
    late = np.maximum.accumulate(ts) - ts
    return table if late.max(initial=0) <= OUT_OF_ORDER_NS else table.sort_by("ts")


@dataclass
class Group:
    """A row group in `rows`."""

    begin: int
    end: int
    crc: int  # of all its bytes: those of pages do not cover what stands before each
    rows: dict[str, int]  # of each kind


@dataclass
class Partial:
    """What a directory holds, as its last commit has it."""

    directory: Path
    empty: bytes = b""  # a Parquet file without rows
    recording: dict[str, Any] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    waiting: dict[str, pa.Table] = field(default_factory=dict)  # rows of no row group, by kind
    expected: dict[str, int] = field(default_factory=dict)  # rows of each kind that were there at the commit
    opening: dict[str, pa.Table] = field(default_factory=dict)  # rows that only the first of several parts needs
    losses_before: list[dict[str, Any]] = field(default_factory=list)  # of parts before
    running: bool = False  # whether the recorder still writes it


def of(path: Path) -> list[list[Path]]:
    """The directories of recordings into this file that did not come to their end, each with its parts in order."""
    head = f".{path.name}."
    recordings: dict[str, list[Path]] = {}
    try:
        for p in sorted(path.parent.iterdir(), key=lambda p: (len(p.name), p.name)):
            if p.name.startswith(head) and is_partial(p) and wanted(p) == path:
                recordings.setdefault(p.name[len(head) :].removesuffix(SUFFIX).partition("-")[0], []).append(p)
    except OSError:
        return []
    return list(recordings.values())


def with_parts(directory: Path) -> list[Path]:
    """All parts of the recording of which this is one."""
    return next(parts for parts in of(wanted(directory)) if directory in parts)


def is_partial(path: Path) -> bool:
    """Whether this is the directory of an unfinished recording."""
    return path.name.endswith(SUFFIX) and (path / LOG).is_file()


def wanted(directory: Path) -> Path:
    """The file that the recording was to make."""
    return directory.with_name(directory.name.removesuffix(SUFFIX).removeprefix(".").rpartition(".")[0])


def remove(directory: Path) -> None:
    """Removes it. The log goes first: without it there is nothing to repair. Raises OSError."""
    for name in (LOG, ROWS, *JOURNALS):
        (directory / name).unlink(missing_ok=True)
    directory.rmdir()


def is_running(directory: Path) -> bool:
    """Whether a recorder writes it. Raises OSError."""
    with (directory / LOG).open("rb") as log:
        try:
            fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def read(directory: Path) -> Partial:
    """What is there of a recording up to its last commit. Raises BadPartial, OSError.

    A recorder that still runs may change over to the other journal meanwhile; then it is read again.
    """
    for _ in range(5):
        with _understood(directory):
            found, commit = _read_log(directory)
            found.running = is_running(directory)
            _read_journal(found, commit)
            if not found.running or not _missing(found.expected, _present([found])):
                break
    if found.running:
        found.recording["stopped_by"] = RUNNING
    return found


def read_parts(directories: list[Path]) -> tuple[list[Partial], dict[str, Any]]:
    """The parts of one recording, and what the trace of all of them says of itself. Raises BadPartial, OSError."""
    parts = []
    for number, directory in enumerate(directories):
        try:
            parts.append(read(directory))
        except BadPartial:
            if number == 0 or directory != directories[-1]:
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


def _read_log(directory: Path) -> tuple[Partial, dict[str, Any]]:
    found = Partial(directory)
    groups: list[Group] = []
    commit: dict[str, Any] | None = None
    for kind, content in frames((directory / LOG).read_bytes()):
        if kind == SCHEMA:
            found.empty = content
        elif kind == RECORDING:
            found.recording = json.loads(content)
            found.losses_before = found.recording["losses"]
        elif kind == GROUP:
            groups.append(Group(**json.loads(content)))
        elif kind == COMMIT:
            commit = json.loads(content)
            found.groups = list(groups)
    if commit is None or not found.empty:
        raise BadPartial(f"{directory}: the recording was cut off before anything of it was written; remove it")
    found.recording.update(commit["changes"])
    found.expected = commit["rows"]
    return found, commit


def _read_journal(found: Partial, commit: dict[str, Any]) -> None:
    generations: dict[str, int] = {}
    for group in found.groups:
        for kind in group.rows:
            generations[kind] = generations.get(kind, 0) + 1
    batches: dict[str, list[pa.Table]] = {}
    opening: dict[str, list[pa.Table]] = {}
    try:
        data = (found.directory / JOURNALS[commit["journal"]]).read_bytes()
    except OSError:
        data = b""
    for _, content in frames(data):
        number, generation, name = BATCH_HEAD.unpack_from(content)
        kind = name.rstrip(b"\0").decode()
        if number <= commit["commit"] and generation == generations.get(kind, 0):
            to = opening if kind.startswith(OPENING) else batches
            with pa.ipc.open_stream(pa.py_buffer(content[BATCH_HEAD.size :])) as stream:
                table = stream.read_all()
            table.validate(full=True)  # offsets that lie would have Arrow read beyond its memory
            to.setdefault(kind.removeprefix(OPENING), []).append(_without_dictionaries(table))
    found.waiting, found.opening = _joined(batches), _joined(opening)


def _without_dictionaries(table: pa.Table) -> pa.Table:
    types = ((f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in table.schema)
    return table.cast(pa.schema(list(types)))


def _joined(batches: dict[str, list[pa.Table]]) -> dict[str, pa.Table]:
    return {kind: pa.concat_tables(tables, promote_options="default") for kind, tables in batches.items()}


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


def write(parts: list[Partial], recording: dict[str, Any], out: BinaryIO) -> dict[str, Any]:
    """Writes one whole file of parts that have the same columns; `out` is empty. Raises OSError, BadPartial.

    Returns what the trace says of itself: `recording`, with the rows that there are and those that were damaged.
    """
    with _understood(parts[0].directory):
        summed = _Summed(out)
        summed.write(pages.MAGIC)
        groups: list[bytes] = []
        for part in parts:
            for data, found in _row_groups(part):
                groups.append(thrift.dump(pages.moved(found, summed.tell() - found[5].value)))
                summed.write(data)
        return _finish(parts, recording, groups, summed)


def complete(part: Partial, recording: dict[str, Any]) -> dict[str, Any]:
    """Makes a whole file of `rows` itself: only what waits and a footer are written. Raises OSError, BadPartial.

    If that does not come to its end, it can be done again.
    """
    with _understood(part.directory):
        groups = [thrift.dump(found) for _data, found in _row_groups(part)]
    with _understood(part.directory), (part.directory / ROWS).open("r+b") as out:
        out.write(pages.MAGIC)
        out.truncate(max([len(pages.MAGIC), *(group.end for group in part.groups)]))
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
    columns = pages.leaves(_end(part))
    kept = []
    try:
        file = (part.directory / ROWS).open("rb")
    except FileNotFoundError:
        part.groups = []
        return
    with file:
        size = os.fstat(file.fileno()).st_size
        for group in part.groups:
            if not 0 <= group.begin <= group.end <= size:
                continue
            data = os.pread(file.fileno(), group.end - group.begin, group.begin)
            if zlib.crc32(data) != group.crc:
                continue
            try:
                found = pages.row_group(data, group.begin, sum(group.rows.values()), columns)
            except pages.BadPages:
                continue
            kept.append(group)
            yield data, found
    part.groups = kept


def _end(part: Partial) -> thrift.Struct:
    try:
        return pages.footer(part.empty)
    except thrift.Malformed as error:
        raise BadPartial(f"{part.directory}: cannot be understood ({error}); remove it") from None


def _finish(parts: list[Partial], recording: dict[str, Any], groups: list[bytes], out: _Summed) -> dict[str, Any]:
    """Writes what comes after the row groups that are there."""
    waiting = _merged([part.waiting for part in parts])
    if waiting:
        _append(waiting, rowgroups.Encoder(parts[0].empty), out, groups)
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
    out.write(pages.with_row_groups(_end(parts[0]), sum(present.values()), groups, texts))
    return whole


def _append(waiting: dict[str, pa.Table], encoder: rowgroups.Encoder, out: _Summed, groups: list[bytes]) -> None:
    """The rows as row groups; kinds of few rows share one."""
    tables = [of_kind(kind, sorted_rows(table)) for kind, table in waiting.items()]
    few = [table for table in tables if table.num_rows < SHARED_ROWS]
    for table in ([joined(few)] if few else []) + [table for table in tables if table.num_rows >= SHARED_ROWS]:
        for at in range(0, table.num_rows, 2 * GROUP_ROWS):
            group = encoder.row_group(table.slice(at, 2 * GROUP_ROWS), out.tell())
            out.write(group.data)
            groups.append(group.said)


def _merged(parts: list[dict[str, pa.Table]]) -> dict[str, pa.Table]:
    tables: dict[str, list[pa.Table]] = {}
    for part in parts:
        for kind, table in part.items():
            tables.setdefault(kind, []).append(table)
    return _joined(tables)
