"""The flight recorder: keeps the most recent part of a recording, and makes a file of it at the end or on request.

The recording is written in parts, each in a directory of its own (`trace_file/partial.py`), and the oldest parts are
removed. Each part begins with a state snapshot, so that a trace that starts with it can name every process.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import pyarrow as pa

from sysmon.bpf.kind import Kind
from sysmon.bpf.trace_file import atomic, partial, recover, unfinished
from sysmon.bpf.trace_file.atomic import NewFile
from sysmon.bpf.trace_file.directory import Directory
from sysmon.bpf.trace_file.metadata import ASKED, Recording
from sysmon.bpf.trace_file.writer import REST_BYTES, TraceWriter, held, telling
from sysmon.errors import CannotWrite, SysmonError
from sysmon.recorder import durations
from sysmon.recorder.output import child
from sysmon.recorder.output.protocol import Files, Part
from sysmon.recorder.output.size_limit import full_at

PARTS = 4
"""Number of parts that what is kept is divided into; one more is being written."""

LEAST_S, LEAST_BYTES = 4.0, 8 << 20

LEAST_PART_S = 1.0
"""Minimum duration of a part: beginning one takes a moment, in which a ring can fill."""


CHANGES: tuple[Literal["ended_ns", "losses"], ...] = ("ended_ns", "losses")
"""Metadata of a finished part that differs from when it began."""


@dataclass(frozen=True)
class Keep:
    """How much is kept: at least this many seconds, and at most a quarter more; or at most this many bytes."""

    text: str  # as typed
    seconds: float | None = None
    bytes: int | None = None


def keep(text: str) -> Keep:
    """Parses how much to keep. Raises BadRequest."""
    seconds, size = durations.seconds_or_bytes("--keep-last", text, LEAST_S, LEAST_BYTES)
    return Keep(text, seconds, size)


@dataclass(frozen=True)
class _Part:
    """A finished part."""

    number: int
    name: str  # name of its directory
    directory: Directory  # held open: nobody can put another in its place
    began_s: float  # on the monotonic clock
    bytes: int


class FlightWriter:
    """Writes like TraceWriter, but keeps only the most recent part. Raises CannotWrite."""

    number = 1
    each_is_whole = False
    is_at_end = False

    def __init__(self, path: Path, force: bool, wanted: Keep, *, discard: bool = False) -> None:
        """`discard`: no file is made in the end."""
        self.path, self._force, self._keep, self._discard = path, force, wanted, discard
        self._is_opening = False
        token = secrets.token_hex(4)
        self._tokens = (f"{token}-{number:06}" for number in itertools.count(1))
        self._parent = held(path)
        self._over: list[_Part] = []
        self._rows_over = 0
        self._child = 0
        self._began_s = time.monotonic()
        self._number = 1  # of the part that is being written
        self._part = self._next()

    def _next(self) -> TraceWriter:
        return TraceWriter(self.path, self._force, self._tokens, self._parent)

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each kind in the part that is being written."""
        return self._part.rows

    @property
    def total_rows(self) -> int:
        """Rows of all kinds so far, including those removed since."""
        return self._rows_over + self._part.total_rows

    @property
    def bytes_written(self) -> int:
        """Size of all parts so far [bytes]."""
        return sum(part.bytes for part in self._over) + self._part.bytes_written

    @property
    def parts(self) -> list[Part]:
        """All that are kept."""
        over = [Part(part.number, part.name, functools.partial(partial.readers, part.directory)) for part in self._over]
        return [*over, Part(self._number, self._part.directory.name, self._part.readers)]

    @property
    def first_part(self) -> int:
        """The number of the oldest part that is kept."""
        return self._over[0].number if self._over else self._number

    @property
    def is_full(self) -> bool:
        """Whether it is time for a new part."""
        if self._keep.bytes is not None:
            share = (self._keep.bytes - REST_BYTES) / (PARTS + 1)
            return self._part.reaches(REST_BYTES + full_at(share, time.monotonic() - self._began_s))
        assert self._keep.seconds is not None
        return time.monotonic() - self._began_s >= self._keep.seconds / PARTS

    @property
    def cannot_wait(self) -> bool:
        """Whether it is so before a snapshot is due: with large parts less is kept than requested."""
        return self._keep.bytes is not None and time.monotonic() >= self._began_s + LEAST_PART_S and self.is_full

    def begin(self, recording: Recording) -> None:
        self._part.begin(recording)

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """Context for the rows of a part's initial state snapshot: only the first part that is kept needs them."""
        self._is_opening = True
        yield
        self._is_opening = False

    def commit(self, changes: dict[str, Any]) -> None:
        self._reap(os.WNOHANG)
        self._part.commit(changes)

    def add(self, kind: Kind, batch: pa.RecordBatch) -> None:
        if self._is_opening:
            self._part.open_with(kind, batch)
        else:
            self._part.add(kind, batch)

    def turn(self, recording: Recording, asked: bool = False) -> None:
        """Ends this part, so that the next can begin, and removes parts that need not be kept.

        If `asked`, a process of its own makes a file of the finished parts.
        """
        self._rows_over += self._part.total_rows
        self._over.append(self._leave({key: recording[key] for key in CHANGES}))
        self._began_s = time.monotonic()
        self._number += 1
        self._part = self._next()
        if asked:
            self._write_now()
        self._drop()

    def _leave(self, changes: dict[str, Any]) -> _Part:
        """Ends the part that is being written."""
        name, directory = self._part.directory.name, self._part.held_directory()
        return _Part(self._number, name, directory, self._began_s, self._part.leave(changes))

    def _remove(self, part: _Part) -> None:
        with part.directory:
            partial.remove(self._parent, part.name, part.directory)

    def _drop(self, current: int = 0) -> None:
        """Removes parts that need not be kept, unless a child reads them.

        `current` is the size of the part being written, if it is above its share [bytes].
        """
        self._reap(os.WNOHANG)
        while self._over and not self._child and self._is_over(current):
            with telling(self.path):
                self._remove(self._over.pop(0))

    def _is_over(self, current: int) -> bool:
        """Whether the oldest part need not be kept."""
        if self._keep.bytes is not None:
            most = self._keep.bytes - REST_BYTES
            return sum(part.bytes for part in self._over) + max(current, most / (PARTS + 1)) > most
        assert self._keep.seconds is not None
        next_began_s = self._over[1].began_s if len(self._over) > 1 else self._began_s
        return next_began_s <= time.monotonic() - self._keep.seconds

    def _write_now(self) -> None:
        self._reap(os.WNOHANG)
        if self._child:
            return
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = self.path.with_name(f"{self.path.stem}-{now}{self.path.suffix}")
        self._child = child.fork(lambda: self._say_made(path))

    def _say_made(self, path: Path) -> None:
        try:
            atomic.check_in(self._parent, path, force=False)
            made, _recording = self._make(path, self._over, False, stopped_by=ASKED)
        except (SysmonError, OSError, MemoryError) as error:
            raise CannotWrite(f"no file was written: {error}") from None
        sys.stderr.write(f"wrote {made}\n")

    def _reap(self, how: int) -> None:
        if self._child and os.waitpid(self._child, how)[0]:
            self._child = 0

    def finish(self, recording: Recording) -> Recording:
        """Makes the file of what is kept, and removes the parts. Returns its metadata."""
        last = self._leave(dict(recording))
        self._reap(0)
        self._drop(last.bytes)
        parts = [*self._over, last]
        made, whole = (self.path, recording) if self._discard else self._make(self.path, parts, self._force)
        for part in parts:
            with contextlib.suppress(OSError):
                self._remove(part)
        if made != self.path:
            raise CannotWrite(f"{self.path} now exists: the trace is in {made}")
        return whole

    def _make(self, path: Path, of: list[_Part], force: bool, **changes: Any) -> tuple[Path, Recording]:
        with telling(self.path), NewFile(self._parent, path.name) as new:
            parts, recording = unfinished.read_parts([part.directory for part in of])
            whole = recover.write(parts, {**recording, **changes}, new.file)
            return path.with_name(new.publish_beside(force=force)), cast(Recording, whole)

    @property
    def files(self) -> Files:
        """The file that is made at the end."""
        return Files([self.path])

    def abandon(self) -> None:
        """Leaves nothing behind, unless it can be recovered."""
        self._parent.close()
        self._part.abandon()
        if self._child:
            with contextlib.suppress(ChildProcessError):
                self._reap(0)
