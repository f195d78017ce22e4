"""Where Enter leads from a row, and what a place is called."""

from __future__ import annotations

import shlex

from sysmon.analyze.trace.reports import find_report
from sysmon.analyze.trace.values import Value
from sysmon.analyze.tui.pages import SPLIT, Section, page_named
from sysmon.analyze.tui.places import EVERYTHING, Place, Scope
from sysmon.errors import BadRequest

REPORT = ["sysmon", "report", "TRACE"]


def opened(here: Place, section: Section, row: dict[str, Value]) -> Place | None:
    """The place that a row of a section leads to; None if the row does not say which."""
    opens = section.opens
    if opens is None:
        return None
    if section.report == SPLIT:
        from sysmon.analyze.tui import splitting

        return Place("pivot", here.scope, split=splitting.deeper(here.split, row))
    if opens.scope == "finding":
        return _of_finding(row)
    if opens.scope == "same":
        return Place(opens.page, here.scope, tuple((name, row.get(name)) for name in opens.values))
    value = row.get(opens.scope)
    if value is None:
        return None
    values = (("pid", value),) if opens.page == "process" else ()
    return Place(opens.page, _scope(opens.scope, value, row), values)


def _scope(of: str, value: Value, row: dict[str, Value]) -> Scope:
    if of in ("pid", "ppid"):
        comm = row.get("comm" if of == "pid" else "parent_comm")
        return Scope(pids=(int(str(value)),), title=f"{str(comm or '-').strip()} ({value})")
    if of == "comm":
        return Scope(comms=(str(value),), title=str(value))
    return Scope(cgroups=(str(value),), title=str(value))


def _of_finding(row: dict[str, Value]) -> Place | None:
    """The report that a finding names, of the process that it is about."""
    words = shlex.split(str(row.get("command") or ""))
    if words[: len(REPORT)] != REPORT or len(words) == len(REPORT):
        return None
    name = words[len(REPORT)]
    try:
        find_report(name)
    except BadRequest:
        return None
    scope = _scope("pid", row["pid"], row) if "--pid" in words and row.get("pid") is not None else EVERYTHING
    return Place(name, scope)


def title(place: Place) -> str:
    """A page and what it is about; texts of the trace are still to be made safe."""
    page = page_named(place.page)
    about = [place.split.title] if place.page == "pivot" else []
    about += [place.scope.title] if place.scope.of_some else []
    about += [str(value) for name, value in place.values if name != "pid"]
    about += [f"/{place.filter}"] if place.filter else []
    about += [f"&{place.where}"] if place.where else []
    about += ["folded"] if place.folded else ["tree"] if place.tree else []
    return " ".join([page.title, *about])
