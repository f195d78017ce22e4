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
in the losses of the trace. `sysmon.bpf.trace_file.recover` reads all that.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
import struct
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from sysmon.bpf.trace_file import encoder, schema
from sysmon.bpf.trace_file.directory import HAS_DESCRIPTORS, Directory

try:
    import fcntl
except ImportError:  # Windows, where nothing is recorded
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".partial"

REMOVED = ".removed"
"""In its place while the directory is being removed: what is left of that is nobody's recording."""

NAME = re.compile(r"\.(?P<file>.+)\.(?P<token>[0-9a-f]{8})(?:-\d{6,})?\.(?:partial|removed)", re.DOTALL)

BEGUN_S = 60.0
"""A directory without a log that is older than this is not of a recorder that is just beginning."""

ROWS, LOG, JOURNALS = "rows", "log", ("journal.0", "journal.1")

DAMAGED = "damaged"
"""Cause of losses: rows that were written and could not be read again."""

SCHEMA, RECORDING, GROUP, COMMIT, BATCH = (kind.encode() for kind in "SRGCB")
"""Kinds of frames. In the log: a Parquet file without rows, what the trace says of itself, a row group that was
written, a commit; the last three are JSON. In a journal: a batch of rows."""

MOST_BYTES = {SCHEMA: 1 << 20, RECORDING: 16 << 20, GROUP: 1 << 16, COMMIT: 16 << 20, BATCH: 64 << 20}
"""Of a frame of each kind. What is larger was not written by a recorder."""

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
    writer = encoder.parquet_writer(sink, wide)
    writer.add_key_value_metadata({schema.KINDS_KEY: schema.describe_kinds()})
    writer.close()
    return sink.getvalue()


def of_kind(kind: str, table: pa.Table) -> pa.Table:
    """The rows with the column that says their kind."""
    index = pa.repeat(pa.scalar(0, pa.int8()), table.num_rows)
    return table.append_column("kind", pa.DictionaryArray.from_arrays(index, [kind]))


def joined(tables: Iterable[pa.Table]) -> pa.Table:
    """Rows of several kinds, each with the columns of all."""
    return pa.concat_tables(map(without_dictionaries, tables), promote_options="default")


def without_dictionaries(table: pa.Table) -> pa.Table:
    """The table with each value in its place."""
    types = ((f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in table.schema)
    return table.cast(pa.schema(list(types)))


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


def of(path: Path) -> list[list[Path]]:
    """The directories of recordings into this file that did not come to their end, each with its parts in order."""
    try:
        with Directory.hold(path.parent) as parent:
            return [[path.with_name(name) for name in parts] for parts in names_of(parent, path.name)]
    except OSError:
        return []


def names_of(parent: Directory, file: str) -> list[list[str]]:
    """The same as names in the directory of the file. Raises OSError."""
    recordings: dict[str, list[str]] = {}
    for name in sorted(parent.names(), key=lambda name: (len(name), name)):
        if name.endswith(SUFFIX) and wanted(name) == file and is_partial(parent, name):
            recordings.setdefault(_token(name), []).append(name)
    return list(recordings.values())


def with_parts(parent: Directory, name: str) -> list[str]:
    """All parts of the recording of which this directory is one."""
    return next(parts for parts in names_of(parent, wanted(name)) if name in parts)


def is_partial(parent: Directory, name: str) -> bool:
    """Whether this is the directory of an unfinished recording."""
    return bool(name.endswith(SUFFIX) and NAME.fullmatch(name)) and _has_log(parent, name)


def _has_log(parent: Directory, name: str) -> bool:
    try:
        if not stat.S_ISDIR(parent.status(name).st_mode):
            return False
        with parent.subdirectory(name) as directory:
            return directory.exists(LOG)
    except OSError:  # removed meanwhile, or not ours to read
        return False


def wanted(name: str) -> str:
    """The file that the recording with this directory was to make; empty if it is no such directory."""
    found = NAME.fullmatch(name)
    return found["file"] if found else ""


def _token(name: str) -> str:
    found = NAME.fullmatch(name)
    assert found
    return found["token"]


def remove(parent: Directory, name: str, directory: Directory) -> None:
    """Removes a directory, which is held, and what a recorder puts into it. Raises OSError.

    It has another name first: what is left if we do not come to the end is no recording, and `sweep` knows it. If
    somebody has moved it meanwhile, it is only emptied.
    """
    is_there = parent.exists(name) and os.path.samestat(parent.status(name), directory.status())
    if is_there:
        gone = name.removesuffix(SUFFIX).removesuffix(REMOVED) + REMOVED
        with contextlib.suppress(OSError):  # a disk so full that it takes no other name
            parent.rename(name, gone)
            name = gone
    for file in (ROWS, *JOURNALS, LOG):
        directory.remove(file)
    if is_there:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # moved since
            parent.remove_directory(name)


def sweep(parent: Directory, file: str) -> int:
    """Removes what is left of recordings into this file of which nothing can be read. Returns how many there were.

    These are directories of ours that were being removed, or had only just been made, when their recorder was killed.
    Where another can rename them, any directory of ours could have such a name: there nothing is swept.
    """
    swept = 0
    with contextlib.suppress(OSError):
        for name in parent.names() if not HAS_DESCRIPTORS or _only_we_rename(parent) else ():
            if wanted(name) == file and (name.endswith(REMOVED) or _was_never_begun(parent, name)):
                with contextlib.suppress(OSError), parent.subdirectory(name) as directory:  # another's, or not empty
                    if directory.is_own() and not (directory.exists(LOG) and is_running(directory)):
                        remove(parent, name, directory)
                        swept += 1
    return swept


def _only_we_rename(parent: Directory) -> bool:
    """Whether nobody else can give another name to a directory of ours in it."""
    found = parent.status()
    return found.st_uid in (0, os.geteuid()) and bool(not found.st_mode & 0o022 or found.st_mode & stat.S_ISVTX)


def _was_never_begun(parent: Directory, name: str) -> bool:
    found = parent.status(name)
    return stat.S_ISDIR(found.st_mode) and time.time() - found.st_mtime > BEGUN_S and not _has_log(parent, name)


def lock(log: BinaryIO) -> None:
    """Says to `is_running` that somebody writes, until the process ends, however it does. Raises OSError."""
    if fcntl:
        fcntl.flock(log, fcntl.LOCK_EX)


def is_running(directory: Directory) -> bool:
    """Whether a recorder writes it. Raises OSError."""
    with directory.reader(LOG) as log:
        try:
            if fcntl:
                fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
