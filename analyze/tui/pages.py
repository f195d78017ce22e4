"""What there is to see: pages of sections, each a report or some of its columns, and where Enter leads from a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sysmon.analyze.trace.reports import find_report
from sysmon.analyze.trace.rules import followed
from sysmon.analyze.trace.sqlfile import View

ScopeOf = Literal["pid", "ppid", "comm", "cgroup", "same", "finding"]
"""What of a row becomes the scope of the page that it opens; `same`: that of the page it is on.

`finding`: the report that a finding names, of the process that it names.
"""

SPLIT, EVENTS = "pivot", "events"
"""In place of a report: the measure that the place splits, and every event."""


@dataclass(frozen=True)
class Opens:
    """The page that Enter opens; `values` are columns of the row that its conditions are about."""

    page: str
    scope: ScopeOf = "same"
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A report on a page, or a view that is named with its schema.

    `columns`: those that come first, all others after them; none: all in their order. `where`: columns that must be
    equal to the page's values: `column`, or `column=value` if the names differ. `lines`: most rows; 0: what room there
    is. `drawn`: as its drawing. `kinds`: it is shown only of a recording that has one of these. `whole`: of all
    processes, whatever the place is about. `slow`: it is read when the others are there and nothing else is asked.
    """

    report: str
    title: str
    columns: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    lines: int = 0
    opens: Opens | None = None
    drawn: bool = False
    kinds: tuple[str, ...] = ()
    whole: bool = False
    slow: bool = False


@dataclass(frozen=True)
class Page:
    """A page with its sections. `key` opens it, if it has one; `about`: a line for the palette and the help."""

    name: str
    title: str
    about: str
    sections: tuple[Section, ...]
    key: str = ""


_PROCESS = Opens("process", "pid")
_PARENT = Opens("process", "ppid")
_CALL = Opens("call", "same", ("syscall",))
_FINDING = Opens("", "finding")

_ACTIVITY = (
    "pid", "comm", "cpu_pct", "cpu_s", "wait_s", "syscalls", "errors", "rss_mib", "growth_mib", "read_bytes",
    "written_bytes", "storage_read_bytes", "storage_written_bytes", "uid", "ppid", "command",
)  # fmt: skip
_FINDINGS = ("severity", "summary", "evidence")
_LIFE = ("began", "ended", "ended_by", "exit_code", "signal", "ppid", "parent_comm", "command")
_MACHINE = (
    "busy_pct", "stolen_pct", "waiting", "calls", "errors", "forks", "read_bytes", "written_bytes", "available_bytes",
    "cpu_pressure_pct", "memory_pressure_pct", "io_pressure_pct", "lost",
)  # fmt: skip
_BUSIEST = (
    "pid", "comm", "cpu_pct", "wait_s", "calls", "errors", "rss_bytes", "read_bytes", "written_bytes", "command",
)  # fmt: skip
_FEW = ("pid", "comm", "cpu_pct", "syscalls", "errors", "rss_mib", "read_bytes", "written_bytes", "command")
_CALLS = (
    "syscall",
    "calls",
    "errors",
    "total_s",
    "mean_us",
    "p50_us",
    "p99_us",
    "max_us",
    "slept_s",
    "disk_s",
    "runnable_s",
)
_FEW_CALLS = ("syscall", "calls", "errors", "total_s", "p50_us", "p99_us", "max_us")

PAGES = (
    Page(
        "overview",
        "Overview",
        "findings, the machine, and who does most",
        (
            Section("findings", "Findings", _FINDINGS, lines=6, opens=_FINDING, slow=True),
            Section("follow.machine", "Machine", _MACHINE, lines=1),
            Section("cpus", "CPUs", ("cpu", "busy_pct", "stolen_pct", "busy_s", "idle_s", "interrupt_s"), lines=4),
            Section("follow.processes", "Processes", _BUSIEST, lines=10, opens=_PROCESS),
            Section("syscalls", "System calls", _FEW_CALLS, opens=_CALL),
        ),
        "1",
    ),
    Page(
        "processes",
        "Processes",
        "every process: CPU, calls, memory, I/O",
        (Section("activity", "Processes", _ACTIVITY, opens=_PROCESS),),
        "2",
    ),
    Page(
        "process",
        "Process",
        "one process through and through",
        (
            Section("activity", "In this window", _ACTIVITY, lines=1),
            Section("wall_time", "Where its time went", lines=4, opens=Opens("time")),
            Section("syscalls", "System calls", _FEW_CALLS, lines=6, opens=_CALL),
            Section("files", "Files", ("path", "opens", "errors", "total_s", "max_us"), lines=5, opens=Opens("files")),
            Section("tcp_connections", "Connections", lines=4, opens=Opens("connections")),
            Section("memory", "Memory", lines=1, opens=Opens("memory")),
            Section("cpu_by_thread", "Threads", lines=5, opens=Opens("threads")),
            Section("activity", "Children", _FEW, ("ppid=pid",), 4, _PROCESS, whole=True),
            Section("lives", "Life; Enter goes to its parent", _LIFE, opens=_PARENT),
        ),
    ),
    Page(
        "syscalls",
        "System calls",
        "how often, how long, with what errors; a heat map of each",
        (
            Section("syscalls", "System calls", _CALLS, opens=_CALL),
            Section("syscall_errors", "Errors", lines=6, opens=_CALL),
        ),
        "3",
    ),
    Page(
        "call",
        "Call",
        "one system call: who made it, and its latencies",
        (
            Section("syscalls_by_process", "Who made it", where=("syscall",), lines=10, opens=_PROCESS),
            Section("syscall_histogram", "Latencies", where=("syscall",), drawn=True, lines=14),
            Section("latency_timeline", "Latencies over time", where=("syscall",), drawn=True),
        ),
    ),
    Page(
        "heat",
        "Heat map",
        "latencies of all system calls over the window",
        (Section("latency_timeline", "Latencies over time", drawn=True, opens=_CALL),),
        "h",
    ),
    Page(
        "files",
        "Files",
        "opened, read and written, failed",
        (
            Section("file_io", "Reads and writes", opens=_PROCESS, kinds=("objects",)),
            Section("files", "Files opened"),
            Section("file_errors", "What failed", lines=6),
            Section("file_ops", "Changed", lines=6),
        ),
        "4",
    ),
    Page(
        "connections",
        "Connections",
        "TCP, datagrams, names looked up",
        (
            Section("tcp_connections", "TCP connections", opens=_PROCESS),
            Section("connections", "By peer", lines=8, opens=_PROCESS),
            Section("dns", "Names looked up", lines=6, opens=_PROCESS),
        ),
        "5",
    ),
    Page(
        "cgroups",
        "Control groups",
        "what each used; Enter shows its processes",
        (
            Section("cgroups", "Control groups", opens=Opens("processes", "cgroup")),
            Section("cpu_quota", "CPU limits", lines=6),
        ),
        "6",
    ),
    Page(
        "storage",
        "Storage",
        "disks, and who uses them",
        (
            Section("disks", "Disks", lines=8),
            Section("disk_io", "Requests", opens=_PROCESS),
        ),
        "7",
    ),
    Page("time", "Time", "where the time of threads went", (
        Section("wall_time", "Where time went", lines=12, opens=_PROCESS),
        Section("wall_time_by_thread", "By thread", opens=_PROCESS),
        Section("wait_objects", "What was waited for", lines=8, opens=_PROCESS, kinds=("waits",)),
    ), "8"),
    Page("threads", "Threads", "CPU time of each thread", (Section("cpu_by_thread", "Threads", opens=_PROCESS),)),
    Page("memory", "Memory", "resident memory of each process, and its growth", (
        Section("memory", "Memory", opens=_PROCESS),
        Section("memory_growth", "Growth", lines=8, opens=_PROCESS),
    ), "9"),
    Page("finding", "Findings", "all findings in this window", (
        Section("findings", "Findings", (*_FINDINGS, "threshold", "command"), opens=_FINDING, slow=True),
    ), "i"),
    Page("pivot", "Pivot", "time, waits, calls, bytes, errors, samples by any dimensions", (
        Section(SPLIT, "Split", opens=Opens("pivot", "same")),
    ), "p"),
    Page("events", "Events", "each exec, exit, open, connection, call as it happened", (
        Section(EVENTS, "Events, the latest first", opens=_PROCESS),
    ), "e"),
    Page("losses", "Losses and cost", "what is missing, and what recording cost", (
        Section("losses", "Lost in this window", lines=10),
        Section("overhead", "What recording cost"),
    ), "l"),
)  # fmt: skip

_BY_NAME = {page.name: page for page in PAGES}


def page_named(name: str) -> Page:
    """A page, or that of a single report. Raises BadRequest if there is no such report."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    report = find_report(name)
    opens = _PROCESS if any(column.name == "pid" for column in report.columns) else None
    return Page(name, report.title, "", (Section(name, report.title, opens=opens),))


def view_of(section: Section) -> View:
    """What a section shows the rows of."""
    schema, _, _ = section.report.rpartition(".")
    if not schema:
        return find_report(section.report)
    return next(view for view in followed() if view.full_name == section.report)
