"""What Python gets of a trace: all that an open trace answers, and charts, which a notebook shows."""

from __future__ import annotations

from collections.abc import Iterable

from sysmon.analyze import charts
from sysmon.analyze.charts.picture import Picture
from sysmon.analyze.trace import trace


class Trace(trace.Trace):
    """An open trace that can draw."""

    def chart(self, name: str, pid: int | Iterable[int] | None = None, *, syscall: str | None = None) -> Picture:
        """A chart, which a notebook shows: of all, or of one process or some, or of one system call.

        Raises BadRequest if there is no such chart or process, NoData if there is nothing to draw.
        """
        return Picture(charts.draw(self, name, trace.pids_of(pid), syscall))
