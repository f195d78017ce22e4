"""The interface of an output: one file, a flight recorder, or rotated files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa

from sysmon.bpf.kind import Kind
from sysmon.bpf.trace_file.metadata import Recording


@dataclass(frozen=True)
class Files:
    """The files of a recording."""

    complete: Sequence[Path]  # in order
    removed: int = 0  # number of older files, complete at the time
    left: Sequence[Path] = ()  # files that could not be finished


@dataclass(frozen=True)
class Part:
    """A part of the output that is not complete, and that others can read meanwhile."""

    number: int  # from 1, in order
    name: str  # of its directory
    readers: Callable[[], list[BinaryIO]]  # opens its rows, its log and both journals; raises OSError


class Output(Protocol):
    """Raises CannotWrite.

    From `begin` and the first `commit` on rows survive whatever happens; end with `finish` or `abandon`. It may be in
    parts: then `turn` ends one, and the next is begun and committed as the first was.
    """

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each kind in the part that is being written."""

    @property
    def total_rows(self) -> int:
        """Rows of all kinds so far, including those removed since."""

    @property
    def bytes_written(self) -> int:
        """Bytes written so far."""

    @property
    def number(self) -> int:
        """Number of the file being written, from 1."""

    @property
    def parts(self) -> Sequence[Part]:
        """What can be read before it is complete: the part that is being written, after others that are kept."""

    @property
    def first_part(self) -> int:
        """The number of the oldest part that is not removed."""

    @property
    def each_is_whole(self) -> bool:
        """Whether each part is a trace that can be read alone, and so also ends with a state snapshot."""

    @property
    def is_full(self) -> bool:
        """Whether it is time for a new part."""

    @property
    def cannot_wait(self) -> bool:
        """Whether it is so before a snapshot is due."""

    @property
    def is_at_end(self) -> bool:
        """Whether the size limit is reached, which ends the recording."""

    def begin(self, recording: Recording) -> None:
        """Begins a part with this metadata."""

    def opening(self) -> AbstractContextManager[None]:
        """Context for the rows of a part's initial state snapshot."""

    def add(self, kind: Kind, batch: pa.RecordBatch) -> None:
        """Takes rows of a kind."""

    def commit(self, changes: dict[str, Any]) -> None:
        """Makes all rows so far part of the trace, whatever happens to the recorder, together with changed metadata."""

    def turn(self, recording: Recording, asked: bool = False) -> None:
        """Ends this part with the recording's metadata so far, so that the next can begin.

        `asked`: a file of what is kept is wanted now.
        """

    def finish(self, recording: Recording) -> Recording:
        """Completes the output. Returns the metadata of all of it."""

    def abandon(self) -> None:
        """Leaves nothing behind, unless it can be recovered. After `finish` it does nothing."""

    @property
    def files(self) -> Files:
        """The files there are once it is finished."""
