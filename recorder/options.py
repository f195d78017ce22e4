"""The options of a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sysmon.bpf.kinds import DEFAULT_KINDS
from sysmon.bpf.kinds.stacks import DEFAULT_RATE
from sysmon.recorder.output.flight import Keep
from sysmon.recorder.output.rotate import Rotation
from sysmon.recorder.select.filters import EVERYTHING, Filters


@dataclass(frozen=True)
class Options:
    """Without a duration it runs until a signal or, with a command, until that has ended; if only the command is
    recorded, until its descendants have, too.
    """

    path: Path
    force: bool = False
    duration_s: float | None = None
    max_bytes: int | None = None  # maximum size of the file
    keep_last: Keep | None = None  # keep only the most recent part
    discard: bool = False  # make no file of that in the end
    rotate: Rotation | None = None  # when to start a new file
    interval_s: float = 1.0
    filters: Filters = EVERYTHING
    kinds: frozenset[str] = DEFAULT_KINDS
    every_pss: bool = False  # lift the limits of kind `pss`
    syscalls: tuple[str, ...] = ()  # calls that are events, if kind `syscall` is recorded; empty: all
    buffer_bytes: int | None = None  # size of the first ring of such events
    sample_rate: int = DEFAULT_RATE  # samples of each CPU per second, if kind `samples` is recorded
    max_rate: int | None = None  # maximum events of a kind per second
    labels: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    command_line: tuple[str, ...] = ()

    @property
    def only_command(self) -> bool:
        """Whether only the command and its descendants are recorded."""
        return bool(self.command) and self.filters.children
