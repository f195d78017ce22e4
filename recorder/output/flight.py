"""A flight recorder: keeps the last of a recording, and makes a file of it at the end or when it is asked to.

The recording is written in parts, each into a directory of its own as `trace_file/partial.py` has it, and the oldest
parts are removed. Each begins with how things stand, so that a trace that begins with it knows every process by name.
"""

from __future__ import annotations

import contextlib
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
from sysmon.recorder.output.protocol import Files
from sysmon.recorder.output.size_limit import full_at

PARTS = 4
"""Into so many what is kept is divided; one more is being written."""

LEAST_S, LEAST_BYTES = 4.0, 8 << 20

LEAST_PART_S = 1.0
"""How long a part is at the least: to begin one takes a moment, in which a ring can fill."""


CHANGES: tuple[Literal["ended_ns", "losses"], ...] = ("ended_ns", "losses")
"""What a part that is over says otherwise than when it began."""


@dataclass(frozen=True)
class Keep:
    """How much is kept: at least so many seconds and at most a quarter more, or at most so many bytes."""

    text: str  # as it was typed
    seconds: float | None = None
    bytes: int | None = None


def keep(text: str) -> Keep:
    """How much the text asks for. Raises BadRequest."""
    seconds, size = durations.seconds_or_bytes("--keep-last", text, LEAST_S, LEAST_BYTES)
    return Keep(text, seconds, size)


@dataclass(frozen=True)
class _Part:
    """A part that is over."""

    name: str  # of its directory
    directory: Directory  # held: nobody can put another in its place
    began_s: float  # on the monotonic clock
    bytes: int


class FlightWriter:
    """Writes as TraceWriter does, but keeps only the last. Raises CannotWrite."""

    number = 1
    each_is_whole = False
    is_at_end = False

    def __init__(self, path: Path, force: bool, wanted: Keep) -> None:
        self.path, self._force, self._keep = path, force, wanted
        self._is_opening = False
        token = secrets.token_hex(4)
        self._tokens = (f"{token}-{number:06}" for number in itertools.count(1))
        self._parent = held(path)
        self._over: list[_Part] = []
        self._rows_over = 0
        self._child = 0
        self._began_s = time.monotonic()
        self._part = self._next()

    def _next(self) -> TraceWriter:
        return TraceWriter(self.path, self._force, self._tokens, self._parent)

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each kind in the part that is being written."""
        return self._part.rows

    @property
    def total_rows(self) -> int:
        """Rows of all kinds that there were, also those that are gone."""
        return self._rows_over + self._part.total_rows

    @property
    def bytes_written(self) -> int:
        """Size of all parts so far."""
        return sum(part.bytes for part in self._over) + self._part.bytes_written

    @property
    def is_full(self) -> bool:
        """Whether it is time for another part."""
        if self._keep.bytes is not None:
            share = (self._keep.bytes - REST_BYTES) / (PARTS + 1)
            return self._part.reaches(REST_BYTES + full_at(share, time.monotonic() - self._began_s))
        assert self._keep.seconds is not None
        return time.monotonic() - self._began_s >= self._keep.seconds / PARTS

    @property
    def cannot_wait(self) -> bool:
        """Whether that is so before a snapshot is due: with large parts less is kept of what was asked for."""
        return self._keep.bytes is not None and time.monotonic() >= self._began_s + LEAST_PART_S and self.is_full

    def begin(self, recording: Recording) -> None:
        self._part.begin(recording)

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """Meanwhile rows come that say how things stand when a part begins: only the first that is kept needs them."""
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
        """Goes on in another part, which is to be begun, and removes what need not be kept.

        If it was `asked` for, a file is made of the parts that are over, in a process of its own.
        """
        self._rows_over += self._part.total_rows
        self._over.append(self._leave({key: recording[key] for key in CHANGES}))
        self._began_s = time.monotonic()
        self._part = self._next()
        if asked:
            self._write_now()
        self._drop()

    def _leave(self, changes: dict[str, Any]) -> _Part:
        """Ends the part that is being written."""
        name, directory = self._part.directory.name, self._part.held_directory()
        return _Part(name, directory, self._began_s, self._part.leave(changes))

    def _remove(self, part: _Part) -> None:
        with part.directory:
            partial.remove(self._parent, part.name, part.directory)

    def _drop(self, current: int = 0) -> None:
        """Removes what need not be kept beside the part that is not over, unless a child reads it.

        `current` is what that one takes, if it is more than its share [bytes].
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
        """Makes the file of what is kept, and removes the parts. Returns what the trace says of itself."""
        last = self._leave(dict(recording))
        self._reap(0)
        self._drop(last.bytes)
        parts = [*self._over, last]
        made, whole = self._make(self.path, parts, self._force)
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
        """The one that is made at the end."""
        return Files([self.path])

    def abandon(self) -> None:
        """Leaves nothing behind, unless a trace can be made of it."""
        self._parent.close()
        self._part.abandon()
        if self._child:
            with contextlib.suppress(ChildProcessError):
                self._reap(0)
