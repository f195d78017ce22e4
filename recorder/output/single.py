"""A recording in one file."""

from __future__ import annotations

import contextlib
from pathlib import Path

from sysmon.bpf.trace_file.metadata import Recording
from sysmon.bpf.trace_file.writer import TraceWriter
from sysmon.recorder.output.protocol import Files, Part


class SingleFile(TraceWriter):
    """One part, which ends before it exceeds its size limit. Raises CannotWrite."""

    number = first_part = 1
    each_is_whole = True
    is_full = cannot_wait = False

    def __init__(self, path: Path, force: bool, max_bytes: int | None = None) -> None:
        super().__init__(path, force)
        self._max_bytes = max_bytes

    @property
    def is_at_end(self) -> bool:
        """Whether the size limit is reached, which ends the recording."""
        return self._max_bytes is not None and self.reaches(self._max_bytes)

    @property
    def parts(self) -> list[Part]:
        """The one."""
        return [Part(1, self.directory.name, self.readers)]

    def opening(self) -> contextlib.AbstractContextManager[None]:
        """Context for the rows of the initial state snapshot: they are rows like others."""
        return contextlib.nullcontext()

    def turn(self, recording: Recording, asked: bool = False) -> None:
        """Does nothing: there is only one part."""
        raise AssertionError(f"{self.path} is never full")

    @property
    def files(self) -> Files:
        """The one file."""
        return Files([self.path])
