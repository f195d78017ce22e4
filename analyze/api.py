"""The Python interface to a trace: everything that an open trace answers, plus charts for notebooks."""

from __future__ import annotations

from collections.abc import Iterable

from sysmon.analyze import charts
from sysmon.analyze.charts.picture import Picture
from sysmon.analyze.trace import arguments, trace


class Trace(trace.Trace):
    """An open trace that can draw charts."""

    def chart(self, name: str, pid: int | Iterable[int] | None = None, *, syscall: str | None = None) -> Picture:
        """A chart, which a notebook displays: of everything, of one or some processes, or of one system call.

        Raises BadRequest if there is no such chart or process, NoData if there is nothing to draw.
        """
        arguments.text("name", name, "'cpu'")
        arguments.optional_text("syscall", syscall, "'read'")
        self._opened.require_open()
        return Picture(charts.draw(self, name, arguments.pid_or_pids("pid", pid), syscall))
