"""The chosen part of a trace: a window, and processes by pid, name or control group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import duckdb

from sysmon.analyze.trace import views
from sysmon.analyze.trace.times import instant_ns, iso
from sysmon.errors import BadRequest
from sysmon.safe_text import one_line


@dataclass(frozen=True)
class Selection:
    """The choice as typed; empty: all of the trace. `command`: the processes of the command that was recorded.
    `follow`: also the descendants of those chosen.

    `cgroups` are paths, each including the groups below; `only_cgroup` is a single group, '' the unknown one.
    """

    since: str | None = None
    until: str | None = None
    pids: tuple[int, ...] = ()
    comms: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    only_cgroup: str | None = None
    command: bool = False
    follow: bool = False

    @property
    def of_some(self) -> bool:
        """Whether only some processes were chosen."""
        return bool(self.pids or self.comms or self.cgroups or self.command or self.only_cgroup is not None)

    @property
    def window_words(self) -> list[str]:
        """Command-line words that choose the window."""
        asked = (("--since", self.since), ("--until", self.until))
        return [word for name, text in asked if text is not None for word in (name, text)]

    @property
    def words(self) -> list[str]:
        """Command-line words that choose this part; none if it is all."""
        return [*self.process_words, *self.window_words]

    @property
    def process_words(self) -> list[str]:
        """Those that choose processes."""
        asked = [("--pid", str(pid)) for pid in self.pids]
        asked += [("--comm", comm) for comm in self.comms]
        asked += [("--cgroup", cgroup) for cgroup in self.cgroups]
        command = ["--command"] if self.command else []
        return [*command, *(word for pair in asked for word in pair), *(["--follow"] if self.follow else [])]

    def moved(self, since_ns: int | None, until_ns: int | None) -> Selection:
        """The same with another window [UTC ns since 1970]."""
        since, until = (None if ns is None else iso(ns) for ns in (since_ns, until_ns))
        return replace(self, since=since, until=until)

    def window_ns(self, started_ns: int) -> tuple[int | None, int | None]:
        """First instant in the window, and first after it [ns since 1970]. Raises BadRequest if it is empty."""
        since, until = (None if text is None else instant_ns(text, started_ns) for text in (self.since, self.until))
        if since is not None and until is not None and until <= since:
            raise BadRequest("the window is empty: --until is not after --since")
        return since, until


def pick(connection: duckdb.DuckDBPyConnection, chosen: Selection, shown: str) -> None:
    """Fills `unfiltered.picked` with the chosen processes. Raises BadRequest for a name that no process has."""
    groups = [] if chosen.only_cgroup is None else [chosen.only_cgroup]
    asked = {
        "pids": chosen.pids,
        "comms": chosen.comms,
        "groups": groups,
        "trees": chosen.cgroups,
    }
    connection.execute(
        views.PICK_COMMAND if chosen.command else views.PICK, {name: list(values) for name, values in asked.items()}
    )
    known = connection.execute(
        "SELECT DISTINCT pid, comm, cgroup FROM unfiltered.processes WHERE process_key IN (FROM unfiltered.picked)"
    ).fetchall()
    if chosen.follow:
        connection.execute(views.FOLLOW)
    _check(chosen, {p for p, _, _ in known}, {c for _, c, _ in known}, {g for _, _, g in known}, shown)


def _check(chosen: Selection, pids: Iterable[int], comms: Iterable[str], cgroups: Iterable[str], shown: str) -> None:
    lists = f"; `sysmon report {shown}"
    if chosen.command and not pids:
        raise BadRequest(
            f"this trace has no process of a command: record with `-- COMMAND`{lists} processes` lists all"
        )
    for pid in chosen.pids:
        if pid not in pids:
            raise BadRequest(f"no process {pid} in this trace{lists} processes` lists them")
    for comm in chosen.comms:
        if comm not in comms:
            raise BadRequest(f"no process named {one_line(comm)!r} in this trace{lists} processes` lists them")
    for group in chosen.cgroups:
        if not any(g is not None and (g == group or g.startswith(f"{group.rstrip('/')}/")) for g in cgroups):
            raise BadRequest(
                f"no process of control group {one_line(group)!r} in this trace{lists} cgroups` lists them"
            )
