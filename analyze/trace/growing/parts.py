"""The parts that a recording that still runs consists of, and what came of it at a look."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from sysmon.analyze.trace.growing.segments import Piece, Source
from sysmon.bpf.trace_file.unfinished import Partial


@dataclass
class Part:
    """A part of the recording; one that need not keep only its last has one."""

    name: str
    number: int
    source: Source
    taken: int = 0  # row groups that are in the index

    @property
    def partial(self) -> Partial:
        """What there is of it."""
        return self.source.following.partial


@dataclass
class News:
    """What a look found."""

    rows: int = 0  # how many came
    rows_gone: int = 0  # with parts that are not kept
    committed: bool = False
    parts_gone: bool = False
    finished: Path | None = None  # the recording has become this file
    waiting: dict[str, list[pa.Table]] = field(default_factory=dict)  # rows that came, maybe some again
    pieces: dict[str, list[Piece]] = field(default_factory=dict)  # row groups that were written, by kind
