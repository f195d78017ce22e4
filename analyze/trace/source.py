"""Opens a file that may come from anybody: is it a trace that this version can read?

Only the first and last bytes of the file and its footer are read here: no row is read and nothing is written. Of a
recording that was cut off or still runs, a complete copy is made in the directory for temporary files.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from sysmon.analyze.trace import scratch
from sysmon.analyze.trace.wellformed import misfit
from sysmon.bpf.trace_file import partial, recover, rotated, schema, unfinished
from sysmon.bpf.trace_file.directory import OWN_DESCRIPTORS, Directory
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.errors import BrokenTrace, NewerTrace, NotATrace
from sysmon.safe_text import one_line, shell_word

MAGIC = b"PAR1"
"""First and last bytes of a Parquet file; "File format" in the README of apache/parquet-format."""

TAIL_BYTES = 8
"""The end of a file: the length of the footer, 4 bytes little endian, and the magic."""

MAX_FOOTER_BYTES = 256 << 20
"""A row group adds about 10 KiB to the footer, so an hour of every kind stays under 50 MiB."""

MAX_STRING_BYTES = 64 << 20
MAX_ELEMENTS = 8 << 20
"""Most that Thrift may allocate while it reads the footer: a false length must not exhaust the memory."""

PIECE_BYTES = 1 << 20
"""Read at a time to compute a file's checksum."""

MOST_COPIED_BYTES = 2 << 30
"""Limit for a recording that was cut off, as the directory of its copy may be in memory."""

O_OTHER = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

RETRY = "copy it again from where it was recorded, or record again"


class Held:
    """A file descriptor, open until it is closed or no longer referenced."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def close(self) -> None:
        """Closes it. May be called again."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __del__(self) -> None:
        self.close()


@dataclass(frozen=True)
class Source:
    """A file that is a trace: its path, size and metadata."""

    path: Path  # absolute, symbolic links followed
    size_bytes: int
    recording: Recording
    unfinished: Path | None = None  # what `path` was made from, if the recording is unfinished
    held: Held | None = None  # the file that was inspected: its name may come to mean another

    @property
    def opened(self) -> Path:
        """The path for DuckDB to open: the file itself through its descriptor, where the system has a path for that."""
        by_descriptor = Path(f"{OWN_DESCRIPTORS}/{self.held.fd}") if self.held else self.path
        return by_descriptor if by_descriptor.exists() else self.path

    def discard(self) -> None:
        """Closes it and removes the copy made for reading, if any."""
        if self.held:
            self.held.close()
        if self.unfinished:
            scratch.remove(self.path.parent)


def inspect(path: str | os.PathLike[str]) -> Source:
    """Opens a trace and reads its metadata. Raises NotATrace, NewerTrace or BrokenTrace."""
    with left_of(Path(path)) as left:
        return _made_whole(left) if left else _inspect(Path(path))


@dataclass(frozen=True)
class Left:
    """What an unfinished recording left: the directories of its parts, in order."""

    parent: Directory
    names: list[str]

    @property
    def path(self) -> Path:
        """Of the first."""
        return self.parent.path / self.names[0]

    @contextmanager
    def parts(self) -> Iterator[list[Directory]]:
        """Opens the directories. Raises OSError."""
        with ExitStack() as held:
            yield [held.enter_context(self.parent.subdirectory(name)) for name in self.names]


@contextmanager
def left_of(path: Path) -> Iterator[Left | None]:
    """What an unfinished recording into this file left, if the file does not exist.

    The path may also be that of a directory which it left. Raises NotATrace if there are several such recordings.
    """
    with ExitStack() as held:
        try:
            parent = held.enter_context(Directory.hold(path.parent))
            if partial.is_partial(parent, path.name):
                found = [partial.with_parts(parent, path.name)]
            else:
                found = [] if not path.name or parent.exists(path.name) else partial.names_of(parent, path.name)
        except (OSError, ValueError):  # `inspect` reports what is wrong with the name
            found = []
        if len(found) > 1:
            names = ", ".join(one_line(str(path.with_name(first))) for first, *_ in found)
            raise NotATrace(f"{one_line(str(path))}: several recordings were interrupted; name one of them: {names}")
        yield Left(parent, found[0]) if found else None


def _made_whole(left: Left) -> Source:
    shown = one_line(str(left.path))
    elsewhere = f"`sysmon repair {shell_word(str(left.path))} -o FILE` makes a trace of it"
    try:
        place = scratch.new_directory()
    except OSError as e:
        raise NotATrace(f"{shown}: no directory for temporary files ({e.strerror or e}); {elsewhere}") from e
    try:
        copy = place / partial.wanted(left.names[0])
        with Directory.hold(place) as held, held.create(copy.name) as out, left.parts() as directories:
            recover.write(*unfinished.read_parts(directories), out, MOST_COPIED_BYTES)
        return replace(_inspect(copy), unfinished=left.path)
    except recover.TooLarge as e:
        scratch.remove(place)
        raise NotATrace(f"{one_line(str(e))} is too large to copy for reading; {elsewhere}") from e
    except OSError as e:
        scratch.remove(place)
        raise NotATrace(f"{shown}: cannot be read ({e.strerror or e}); {elsewhere}") from e
    except BaseException:
        scratch.remove(place)
        raise


def _inspect(given: Path) -> Source:
    shown = one_line(str(given))
    with _opened(given, shown) as file:
        found = inspect_file(file, shown)
        real = given.resolve()
        if not real.exists():  # a descriptor in /proc of a file without a name
            real = given
        if not _is_utf8(str(real)):
            raise NotATrace(f"{shown}: the name is not UTF-8, and DuckDB cannot open such a file; rename it")
        return Source(real, os.fstat(file.fileno()).st_size, found, held=Held(os.dup(file.fileno())))


def inspect_file(file: BinaryIO, shown: str) -> Recording:
    """The metadata of the trace in an open file. Raises as `inspect`, with messages that begin with `shown`."""
    _check_frame(file, shown)
    file.seek(0)
    try:
        with pq.ParquetFile(
            file, thrift_string_size_limit=MAX_STRING_BYTES, thrift_container_size_limit=MAX_ELEMENTS
        ) as parquet:
            metadata = parquet.metadata.metadata or {}
    except (pa.ArrowException, OSError, ValueError, MemoryError) as e:
        raise BrokenTrace(f"{shown}: its Parquet footer is damaged ({one_line(str(e))}); {RETRY}") from e
    if schema.METADATA_KEY not in metadata:
        raise NotATrace(f"{shown}: a Parquet file, but not a sysmon trace; give a file that `sysmon record` wrote")
    if schema.CHECKSUM_KEY in metadata and metadata[schema.CHECKSUM_KEY] != _checksum(file, metadata):
        raise BrokenTrace(f"{shown}: its checksum does not match its contents; {RETRY}")
    return recording_of(shown, metadata[schema.METADATA_KEY])


def _checksum(file: BinaryIO, metadata: dict[bytes, bytes]) -> bytes:
    """The checksum that the file should have, of as many bytes as the stored one covers."""
    try:
        left = data_bytes = int(json.loads(metadata[schema.CHECKSUM_KEY])["bytes"])
        crc = 0
        file.seek(0)
        while left > 0 and (piece := file.read(min(left, PIECE_BYTES))):
            crc = zlib.crc32(piece, crc)
            left -= len(piece)
    except (ValueError, TypeError, KeyError, RecursionError, OSError):
        return b""
    return schema.checksum(data_bytes, crc, metadata)


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in name)  # Python's stand-ins for other bytes, see PEP 383


@contextmanager
def _opened(path: Path, shown: str) -> Iterator[BinaryIO]:
    """Opens the file, if it is a regular one. Does not block, as opening a FIFO would."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | O_OTHER)
    except ValueError as e:  # a NUL in the name
        raise NotATrace(f"{shown}: not a file name ({one_line(str(e))})") from e
    except OSError as e:
        hint = _rotated(path) if isinstance(e, FileNotFoundError) else ""
        if e.errno == errno.ENXIO:  # a socket
            raise NotATrace(f"{shown}: not a regular file; give a file that `sysmon record` wrote") from e
        raise NotATrace(
            f"{shown}: cannot be read ({e.strerror or type(e).__name__}); {hint or 'check the name'}"
        ) from e
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise NotATrace(f"{shown}: not a regular file; give a file that `sysmon record` wrote")
    with os.fdopen(fd, "rb") as file:
        yield file


def _check_frame(file: BinaryIO, shown: str) -> None:
    """Checks the magic at both ends of the file."""
    size_bytes = os.fstat(file.fileno()).st_size
    try:
        file.seek(0)
        head = file.read(len(MAGIC))
        file.seek(max(0, size_bytes - TAIL_BYTES))
        tail = file.read(TAIL_BYTES)
    except OSError as e:
        raise NotATrace(f"{shown}: cannot be read ({e.strerror or type(e).__name__}); check the name") from e
    if head != MAGIC:
        raise NotATrace(f"{shown}: not a Parquet file; give a file that `sysmon record` wrote")
    if tail[4:] != MAGIC or size_bytes < len(MAGIC) + TAIL_BYTES:
        raise BrokenTrace(f"{shown}: its end is missing, as after an incomplete copy; {RETRY}")
    footer_bytes = int.from_bytes(tail[:4], "little")
    if footer_bytes > min(size_bytes - len(MAGIC) - TAIL_BYTES, MAX_FOOTER_BYTES):
        raise BrokenTrace(f"{shown}: its footer claims an impossible {footer_bytes} bytes; {RETRY}")


def _rotated(path: Path) -> str:
    """What to type if the recording of this name is in several files."""
    files = [one_line(str(file)) for file in rotated.present(path)]
    cut_off: list[str] = []
    with suppress(OSError), Directory.hold(path.parent) as parent:
        cut_off = [one_line(str(path.with_name(name))) for name in rotated.cut_off_in(parent, path)]
    if not files + cut_off:
        return ""
    ended = f"; {' and '.join(cut_off)} was interrupted, and can be read as it is" if cut_off else ""
    return f"the files of a recording with --rotate are {(files + cut_off)[0]} and so on{ended}"


def identity(recording: Recording) -> tuple[object, ...]:
    """What is the same in all files of one recording, and in no other."""
    return (
        recording.get("recording_id"),
        recording["host"]["name"],
        recording.get("began_ns"),
        recording["recorder_pid"],
        recording["recorder_start"],
        recording["clock_offset_ns"],
    )


def recording_of(shown: str, text: bytes) -> Recording:
    """The description of the recording, from the file's metadata. Raises BrokenTrace or NewerTrace."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise BrokenTrace(f"{shown}: its description is not JSON ({one_line(str(e))}); {RETRY}") from e
    version = found.get("schema_version") if isinstance(found, dict) else None
    if isinstance(version, int) and version > schema.VERSION:
        raise NewerTrace(
            f"{shown}: has schema version {version}, this sysmon reads up to {schema.VERSION}; install a newer sysmon"
        )
    problem = misfit(found, Recording)
    if not problem and not 0 <= found["started_ns"] <= found["ended_ns"]:
        problem = "ended_ns is before started_ns"
    if problem:
        raise BrokenTrace(f"{shown}: its description is damaged ({one_line(problem)}); {RETRY}")
    return cast(Recording, found)
