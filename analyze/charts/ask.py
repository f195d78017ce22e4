"""What a chart is, and the request to draw one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace


@dataclass(frozen=True)
class Chart:
    """A chart: its name, its title, what it shows, the kinds it needs, and the losses that affect it."""

    name: str
    title: str
    doc: str
    kinds: tuple[str, ...]
    places: tuple[str, ...]
    takes_syscall: bool = False


@dataclass(frozen=True)
class Ask:
    """A request: a chart of a trace or of part of one, for all system calls or for one."""

    trace: Trace
    chart: Chart
    syscall: str | None = None
