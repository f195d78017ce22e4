"""Which kinds of rows a report reads, and so what it lacks if they were not recorded."""

from __future__ import annotations

from collections.abc import Collection

from sysmon.analyze.trace.reports import Report
from sysmon.analyze.trace.rules import parts
from sysmon.analyze.trace.views import derived
from sysmon.bpf.kinds import KINDS

NAMES_OF_ROWS = frozenset(("main.processes", "unfiltered.processes", "finding.process"))
"""Views that only add names to a report's rows."""

_READ_AS = {"threads_off_cpu": "unfiltered.threads_off_cpu"}
"""Views of kinds that reports read beyond the window, too."""


def absent(report: Report, recorded: Collection[str]) -> str:
    """Why the report may lack rows, because kinds that it reads were not recorded; empty if they were."""
    read = _read_by(report)
    kinds = [k.name for k in KINDS if _READ_AS.get(k.view, f"main.{k.view}") in read and k.name not in recorded]
    return f"recorded without {', '.join(kinds)}: record again with it" if kinds else ""


def _read_by(report: Report) -> set[str]:
    """The window's views that it reads rows from, directly or through others."""
    needs = {view.full_name: view.needs for view in (*parts(), *derived())}
    found: set[str] = set()
    todo = list(report.needs)
    while todo:
        name = todo.pop()
        is_rows = name.startswith(("main.", "finding.")) or name in _READ_AS.values()
        if name not in found and name not in NAMES_OF_ROWS and is_rows:
            found.add(name)
            todo += needs.get(name, ())
    return found
