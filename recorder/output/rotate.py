"""Rotation: when a file is full, the recording continues in the next.

Each file is a whole trace: it begins with a state snapshot, and ends at a snapshot. A full file is finished by a forked
process, which has everything to be written in its memory, so that rings are read meanwhile; until then it looks like a
recording interrupted at its last row. There is one such process at a time: on a disk that is too slow files get larger
than requested, but memory use does not grow.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from sysmon.bpf.kind import Kind
from sysmon.bpf.trace_file.metadata import ROTATED, Recording
from sysmon.bpf.trace_file.rotated import joined, numbered, present_in
from sysmon.bpf.trace_file.writer import TraceWriter, held, telling
from sysmon.errors import CannotWrite
from sysmon.recorder import durations
from sysmon.recorder.output import child
from sysmon.recorder.output.protocol import Files, Part
from sysmon.recorder.output.size_limit import full_at

LEAST_S, LEAST_BYTES = 1.0, 1 << 20
"""Minimum duration of a file, whatever its size: a shorter one would hold little more than its state snapshots."""


SLACK_S = 0.1
"""A file counts as full this much early, so that a snapshot due at that time is its last."""


@dataclass(frozen=True)
class Rotation:
    """When a file is full, and how many complete files to keep (the newest); None keeps all."""

    text: str  # as typed
    seconds: float | None = None
    bytes: int | None = None
    kept: int | None = None


def rotation(text: str, kept: int | None) -> Rotation:
    """Parses when to rotate. Raises BadRequest."""
    seconds, size = durations.seconds_or_bytes("--rotate", text, LEAST_S, LEAST_BYTES)
    return Rotation(text, seconds, size, kept)


class RotatingWriter:
    """Writes like TraceWriter, into one file after another. Raises CannotWrite."""

    each_is_whole = True
    is_at_end = False

    def __init__(self, path: Path, force: bool, wanted: Rotation) -> None:
        self.path, self._force, self._wanted = path, force, wanted
        self._parent = held(path)
        self._old = present_in(self._parent, path)
        if self._old and not force:
            raise CannotWrite(
                f"{path.with_name(self._old[0])} exists: choose another name with -o, or overwrite the files of this "
                "name with --force"
            )
        self.number = 0
        self._complete: list[int] = []  # numbers of files that are complete and kept
        self._removed = 0
        self._left: list[int] = []  # could not be finished
        self._over: Recording | None = None  # combined metadata of the finished files
        self._bytes_over = 0
        self._child = 0
        self._finishing = 0  # the number of that file
        self._next_s = 0.0
        self._file = self._next()

    def _next(self) -> TraceWriter:
        self.number += 1
        self._began_s = time.monotonic()
        return TraceWriter(self._path(self.number), self._force, parent=self._parent)

    def _path(self, number: int) -> Path:
        return numbered(self.path, number)

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each kind in the file that is being written."""
        return self._file.rows

    @property
    def total_rows(self) -> int:
        """Rows of all kinds in all files."""
        return self._file.total_rows + (sum(self._over["rows"].values()) if self._over else 0)

    @property
    def bytes_written(self) -> int:
        """Size of all files so far, including removed ones [bytes]."""
        return self._bytes_over + self._file.bytes_written

    @property
    def parts(self) -> list[Part]:
        """The file that is being written."""
        return [Part(self.number, self._file.directory.name, self._file.readers)]

    @property
    def first_part(self) -> int:
        """The number of the oldest file that is not removed."""
        finishing = [self._finishing] if self._child else []
        return min([*self._complete, *self._left, *finishing, self.number])

    @property
    def is_full(self) -> bool:
        """Whether it is time for a new file, and the previous one is finished."""
        now = time.monotonic()
        if self._wanted.bytes is not None:
            age_s = now - self._began_s
            full = age_s >= LEAST_S and self._file.reaches(full_at(self._wanted.bytes, age_s))
        else:
            full = now >= self._next_s - SLACK_S
        return full and self._is_finished(os.WNOHANG)

    @property
    def cannot_wait(self) -> bool:
        """Whether the file is full before the next snapshot is due; it then ends with a snapshot of its own."""
        return self.is_full

    def begin(self, recording: Recording) -> None:
        if self.number == 1:
            self._began_s = time.monotonic()
            self._next_s = self._began_s + (self._wanted.seconds or 0)
            with telling(self.path):
                for old in self._old:  # not before there is a recording to replace them
                    self._parent.remove(old)
        self._file.begin(recording)

    def commit(self, changes: dict[str, Any]) -> None:
        self._is_finished(os.WNOHANG)
        self._file.commit(changes)

    def add(self, kind: Kind, batch: pa.RecordBatch) -> None:
        self._file.add(kind, batch)

    def opening(self) -> contextlib.AbstractContextManager[None]:
        """Context for the rows of a file's initial state snapshot: they are rows like others."""
        return contextlib.nullcontext()

    def turn(self, recording: Recording, asked: bool = False) -> None:
        """Ends this file with this metadata, so that the next can begin."""
        recording = {**recording, "stopped_by": ROTATED}
        full = self._file
        full.commit(dict(recording))
        self._is_finished(0)
        self._note(recording)
        self._bytes_over += full.bytes_written
        self._finishing = self.number
        self._file = self._next()
        if self._wanted.seconds is not None:
            self._next_s = max(self._next_s + self._wanted.seconds, self._began_s)
        shared = full.descriptors()
        self._child = child.fork(lambda: full.finish(recording), shared)
        full.hand_over()

    def _is_finished(self, how: int) -> bool:
        """Whether no file is being finished. `how` says whether to wait for that, as in waitpid(2)."""
        if self._child:
            pid, status = os.waitpid(self._child, how)
            if not pid:
                return False
            self._child = 0
            if status == 0:
                self._keep(self._finishing)
            else:
                self._left.append(self._finishing)
        return True

    def _keep(self, file: int) -> None:
        """Adds the file to the complete ones, and removes the oldest if there are too many."""
        self._complete.append(file)
        while self._wanted.kept is not None and len(self._complete) > self._wanted.kept:
            with telling(self._file.path):
                self._parent.remove(self._path(self._complete.pop(0)).name)
            self._removed += 1

    def _note(self, recording: Recording) -> None:
        self._over = joined([self._over, recording]) if self._over else recording

    def finish(self, recording: Recording) -> Recording:
        """Finishes the last file. Returns the combined metadata of all files."""
        self._file.commit(dict(recording))
        self._is_finished(0)
        self._file.finish(recording)
        self._bytes_over += self._file.bytes_written
        self._keep(self.number)
        self._note(recording)
        return cast(Recording, self._over)

    @property
    def files(self) -> Files:
        """The files that are kept, removed, and could not be finished."""
        return Files([*map(self._path, self._complete)], self._removed, [*map(self._path, self._left)])

    def abandon(self) -> None:
        """Leaves nothing behind, unless it can be recovered."""
        self._parent.close()
        self._file.abandon()
        with contextlib.suppress(ChildProcessError):
            self._is_finished(0)
