"""A flight recorder: keeps the last of a recording, and makes a file of it at the end or when it is asked to.

The recording is written in parts, each into a directory of its own as `bpf.partial` has it, and the oldest parts are
removed. Each begins with how things stand, so that a trace that begins with it knows every process by name.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from bpf import partial
from bpf.errors import SysmonError
from bpf.kind import Kind
from bpf.metadata import ASKED, RUNNING, Recording
from recorder import amount, priority
from recorder.writer import REST_BYTES, TraceWriter, check, publish, telling

PARTS = 4
"""Into so many what is kept is divided; one more is being written."""

LEAST_S, LEAST_BYTES = 4.0, 8 << 20


@dataclass(frozen=True)
class Keep:
    """How much is kept: at least so many seconds and at most a quarter more, or at most so many bytes."""

    text: str  # as it was typed
    seconds: float | None = None
    bytes: int | None = None


def keep(text: str) -> Keep:
    """How much the text asks for. Raises BadRequest."""
    seconds, size = amount.seconds_or_bytes("--ring", text, LEAST_S, LEAST_BYTES)
    return Keep(text, seconds, size)


@dataclass(frozen=True)
class _Part:
    """A part that is over."""

    directory: Path
    began_s: float  # on the monotonic clock
    bytes: int


class FlightWriter:
    """Writes as TraceWriter does, but keeps only the last. Raises CannotWrite."""

    def __init__(self, path: Path, force: bool, wanted: Keep) -> None:
        self.path, self._force, self._keep = path, force, wanted
        self.opening = False  # whether rows that come say how things stand when a part begins
        self._token = secrets.token_hex(4)
        self._number = 0
        self._over: list[_Part] = []
        self._rows_over = 0
        self._child = 0
        self._began_s = time.monotonic()
        self._part = self._next()

    def _next(self) -> TraceWriter:
        self._number += 1
        return TraceWriter(self.path, self._force, f"{self._token}-{self._number:06}")

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

    def reaches(self, size: int) -> bool:
        """Whether the file would be this large if it were made now [bytes]."""
        return self._part.reaches(size - sum(part.bytes for part in self._over))

    @property
    def is_full(self) -> bool:
        """Whether it is time for another part."""
        if self._keep.bytes is not None:
            return self._part.reaches(REST_BYTES + (self._keep.bytes - REST_BYTES) // (PARTS + 1))
        assert self._keep.seconds is not None
        return time.monotonic() - self._began_s >= self._keep.seconds / PARTS

    def begin(self, recording: Recording) -> None:
        self._part.begin(recording)

    def commit(self, changes: dict[str, Any]) -> None:
        self._reap(os.WNOHANG)
        self._part.commit(changes)

    def add(self, kind: Kind, batch: pa.RecordBatch) -> None:
        if self.opening:
            self._part.open_with(kind, batch)
        else:
            self._part.add(kind, batch)

    def turn(self, changes: dict[str, Any]) -> None:
        """Goes on in another part, which is to be begun, and removes what need not be kept."""
        self._rows_over += self._part.total_rows
        size = self._part.bytes_expected - REST_BYTES
        self._part.leave(changes)
        self._over.append(_Part(self._part.directory, self._began_s, size))
        self._began_s = time.monotonic()
        self._part = self._next()
        self._drop()

    def _drop(self) -> None:
        """Removes what need not be kept, unless a child reads it."""
        self._reap(os.WNOHANG)
        while self._over and not self._child and self._is_over():
            with telling(self.path):
                partial.remove(self._over.pop(0).directory)

    def _is_over(self) -> bool:
        """Whether the oldest part need not be kept."""
        if self._keep.bytes is not None:
            share = (self._keep.bytes - REST_BYTES) / (PARTS + 1)
            return sum(part.bytes for part in self._over) + share > self._keep.bytes - REST_BYTES
        assert self._keep.seconds is not None
        next_began_s = self._over[1].began_s if len(self._over) > 1 else self._began_s
        return next_began_s <= time.monotonic() - self._keep.seconds

    def write_now(self) -> None:
        """Makes a file of what is kept, in a process of its own, and goes on."""
        self._reap(os.WNOHANG)
        if self._child:
            return
        path = self.path.with_name(
            f"{self.path.stem}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}{self.path.suffix}"
        )
        self._child = os.fork()
        if self._child == 0:
            status = 1
            try:
                signal.set_wakeup_fd(-1)
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
                    signal.signal(number, signal.SIG_IGN)
                priority.restore()
                self._say_made(path)
                status = 0
            finally:
                os._exit(status)

    def _say_made(self, path: Path) -> None:
        try:
            check(path, force=False)
            made, _recording = self._make(path, force=False)
            text = f"wrote {made}"
        except SysmonError as error:
            text = f"sysmon: {error}"
        with contextlib.suppress(OSError):
            os.write(sys.stderr.fileno(), f"{text}\n".encode(errors="backslashreplace"))

    def _reap(self, how: int) -> None:
        if self._child and os.waitpid(self._child, how)[0]:
            self._child = 0

    def finish(self, recording: Recording) -> Recording:
        """Makes the file of what is kept, and removes the parts. Returns what the trace says of itself."""
        self._part.leave(dict(recording))
        self._reap(0)
        self._drop()
        made, whole = self._make(self.path, self._force)
        for directory in self._directories():
            with contextlib.suppress(OSError):
                partial.remove(directory)
        if made != self.path:
            with telling(self.path):
                raise FileExistsError(17, f"a file of this name has appeared meanwhile: the trace is in {made}")
        return whole

    def _directories(self) -> list[Path]:
        return [*(part.directory for part in self._over), self._part.directory]

    def _make(self, path: Path, force: bool) -> tuple[Path, Recording]:
        scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}.copy")
        try:
            with telling(self.path):
                with os.fdopen(
                    os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb"
                ) as out:
                    parts, recording = partial.read_parts(self._directories())
                    if recording["stopped_by"] == RUNNING:
                        recording["stopped_by"] = ASKED
                    whole = partial.write(parts, recording, out)
                    out.flush()
                    os.fsync(out.fileno())
                return publish(scratch, path, force), cast(Recording, whole)
        finally:
            scratch.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Leaves nothing behind, unless a trace can be made of it."""
        self._part.abandon()
        if self._child:
            with contextlib.suppress(ChildProcessError):
                self._reap(0)
