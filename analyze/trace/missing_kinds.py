"""Which kinds of rows a report reads, and so what it lacks if they were not recorded."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sysmon.analyze.trace.reports import Report
from sysmon.analyze.trace.rules import parts
from sysmon.analyze.trace.views import EVERYONE, derived, shown
from sysmon.bpf.kinds import KINDS, kind_named, syscall_events, throttle

NAMES_OF_ROWS = frozenset(("main.processes", "unfiltered.processes", "finding.process"))
"""Views that only add names to a report's rows."""

OPTIONS = {syscall_events.SYSCALL.name: "--syscalls", throttle.STEP.name: "--max-rate N"}
"""Kinds that another option than --with asks for."""

_READ_AS = {"threads_off_cpu": "unfiltered.threads_off_cpu"}
"""Views of kinds that reports read beyond the window, too."""


def absent(report: Report, recorded: Collection[str]) -> str:
    """Why the report may lack rows, because kinds that it reads were not recorded; empty if they were."""
    kinds = [name for name in kinds_read(report) if name not in recorded]
    return f"recorded without {', '.join(kinds)}: {again(kinds)}" if kinds else ""


def kinds_read(report: Report) -> list[str]:
    """The recorded kinds whose rows it reads, in the order of their declaration."""
    read = _read_by(report)
    return [k.name for k in KINDS if not k.edited and _READ_AS.get(k.view, f"main.{k.view}") in read]


def again(kinds: Sequence[str]) -> str:
    """How to record what is missing: with the options that ask for it, or without leaving it out."""
    asked = [kind for kind in kinds if kind_named(kind).opt_in]
    options = [OPTIONS[kind] for kind in asked if kind in OPTIONS]
    if others := [kind for kind in asked if kind not in OPTIONS]:
        options.append(f"--with {','.join(others)}")
    if rest := [kind for kind in kinds if kind not in asked]:
        options.append(("it" if len(rest) == 1 else "them") if not asked else ", ".join(rest))
    return f"record again with {' and '.join(options)}"


def _read_by(report: Report) -> set[str]:
    """The window's views that it reads rows from, directly or through others."""
    needs = {view.full_name: view.needs for view in (*parts(), *derived(), *shown())}
    found: set[str] = set()
    todo = list(report.needs)
    while todo:
        name = todo.pop()
        if name.startswith(f"{EVERYONE}."):
            todo += needs.get(name, ())
            name = f"main.{name.removeprefix(f'{EVERYONE}.')}"
        is_rows = name.startswith(("main.", "finding.")) or name in _READ_AS.values()
        if name not in found and name not in NAMES_OF_ROWS and is_rows:
            found.add(name)
            todo += needs.get(name, ())
    return found
