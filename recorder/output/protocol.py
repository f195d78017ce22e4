"""What a recording is written into, whatever becomes of it: one file, the last of it, or one file after the other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from sysmon.bpf.kind import Kind
from sysmon.bpf.trace_file.metadata import Recording


@dataclass(frozen=True)
class Files:
    """What a recording has left."""

    complete: Sequence[Path]  # in order
    removed: int = 0  # older ones, which were complete
    left: Sequence[Path] = ()  # that could not be finished


class Output(Protocol):
    """Raises CannotWrite.

    `begin` and `commit` it before rows are kept whatever happens; `finish` or `abandon` it, whichever comes first. It
    may be in parts: then `turn` ends one, and the next is begun and committed as the first was.
    """

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each kind in the part that is being written."""

    @property
    def total_rows(self) -> int:
        """Rows of all kinds that there were, also those that are gone."""

    @property
    def bytes_written(self) -> int:
        """Size of all that was written so far."""

    @property
    def number(self) -> int:
        """Of the file that is being written, from 1."""

    @property
    def each_is_whole(self) -> bool:
        """Whether each part is a trace that can be read alone, and so says how things stand at its end, too."""

    @property
    def is_full(self) -> bool:
        """Whether it is time for another part."""

    @property
    def cannot_wait(self) -> bool:
        """Whether that is so before a snapshot is due."""

    @property
    def is_at_end(self) -> bool:
        """Whether it may not become larger, so that the recording ends."""

    def begin(self, recording: Recording) -> None:
        """A part begins, which says this of itself."""

    def opening(self) -> AbstractContextManager[None]:
        """Meanwhile rows come that say how things stand when a part begins."""

    def add(self, kind: Kind, batch: pa.RecordBatch) -> None:
        """Takes rows of a kind."""

    def commit(self, changes: dict[str, Any]) -> None:
        """All rows up to now are part of the trace, whatever becomes of the recorder, and so is what it says anew."""

    def turn(self, recording: Recording, asked: bool = False) -> None:
        """Goes on in another part, which is to be begun; this is what the recording says of itself up to here.

        `asked`: a file of what is kept is wanted now.
        """

    def finish(self, recording: Recording) -> Recording:
        """Completes what there is. Returns what all of it says of itself."""

    def abandon(self) -> None:
        """Leaves nothing behind, unless a trace can be made of it. After `finish`: nothing."""

    @property
    def files(self) -> Files:
        """What is left when it is finished."""
