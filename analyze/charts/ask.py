"""What a chart is, and what is asked for when one is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace


@dataclass(frozen=True)
class Chart:
    """A chart: its name, its title, what it shows, the kinds that it needs, and the losses that concern it."""

    name: str
    title: str
    doc: str
    kinds: tuple[str, ...]
    places: tuple[str, ...]
    takes_syscall: bool = False


@dataclass(frozen=True)
class Ask:
    """What is asked for: a chart of a trace, or of a part of one, of all system calls or of one."""

    trace: Trace
    chart: Chart
    syscall: str | None = None
