"""What was asked for of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sysmon.bpf.kinds import DEFAULT_KINDS
from sysmon.recorder.output.flight import Keep
from sysmon.recorder.output.rotate import Rotation
from sysmon.recorder.select.filters import EVERYTHING, Filters


@dataclass(frozen=True)
class Options:
    """No duration: until a signal or, with a command, until it and its descendants have ended."""

    path: Path
    force: bool = False
    duration_s: float | None = None
    max_bytes: int | None = None  # of the file
    keep_last: Keep | None = None  # only the last of it is kept
    rotate: Rotation | None = None  # it goes on in another file now and then
    interval_s: float = 1.0
    filters: Filters = EVERYTHING
    kinds: frozenset[str] = DEFAULT_KINDS
    every_pss: bool = False  # without the limits of the kind `pss`
    syscalls: tuple[str, ...] = ()  # the calls that are events, if the kind `syscall` is recorded; empty: all
    buffer_bytes: int | None = None  # of the first ring of such events
    max_rate: int | None = None  # events of a kind in a second
    command: tuple[str, ...] = ()
    command_line: tuple[str, ...] = ()
