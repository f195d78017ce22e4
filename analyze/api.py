"""The Python interface to a trace: everything that an open trace answers, plus charts for notebooks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sysmon.analyze import charts
from sysmon.analyze.charts.picture import Picture
from sysmon.analyze.edit import slices
from sysmon.analyze.trace import arguments, trace
from sysmon.bpf.trace_file.metadata import Recording


class Trace(trace.Trace):
    """An open trace that can draw charts, and write the chosen part of it."""

    def write_slice(self, path: str | os.PathLike[str], *, force: bool = False) -> Recording:
        """Writes the chosen part as a trace of its own, as `sysmon slice` does. Returns its metadata.

        Raises CannotWrite if the file exists and `force` is not set, or if it cannot be written.
        """
        self._opened.require_open()
        return slices.write(self, Path(os.fspath(path)), force=force)

    def chart(self, name: str, pid: int | Iterable[int] | None = None, *, syscall: str | None = None) -> Picture:
        """A chart, which a notebook displays: of everything, of one or some processes, or of one system call.

        Raises BadRequest if there is no such chart or process, NoData if there is nothing to draw.
        """
        arguments.text("name", name, "'cpu'")
        arguments.optional_text("syscall", syscall, "'read'")
        self._opened.require_open()
        return Picture(charts.draw(self, name, arguments.pid_or_pids("pid", pid), syscall))
