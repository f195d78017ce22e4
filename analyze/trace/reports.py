"""The reports: each `.sql` file of `analyze/sql/reports` is one, named after the file."""

from __future__ import annotations

from functools import cache

from sysmon.analyze.trace.sqlfile import DIRECTORY, Column, View, read_view
from sysmon.errors import BadRequest, did_you_mean

Report = View
"""A report is a view in the schema `report`: name, title, doc, columns and statement."""

ORDER = (
    "findings",
    "syscalls",
    "syscalls_by_process",
    "syscall_errors",
    "syscall_histogram",
    "syscall_histogram_by_process",
    "latency_timeline",
    "syscalls_in_flight",
    "slow_calls",
    "activity",
    "processes",
    "process_tree",
    "lives",
    "storms",
    "restarts",
    "failures",
    "execs",
    "cpu",
    "cpu_by_thread",
    "cpu_timeline",
    "wall_time",
    "wall_time_by_thread",
    "waits",
    "waits_by_thread",
    "wait_chains",
    "critical_path",
    "critical_path_by_thread",
    "wakers",
    "wakers_by_thread",
    "wait_objects",
    "wait_objects_by_thread",
    "file_io",
    "directory_io",
    "connection_io",
    "polled",
    "hot_functions",
    "hot_functions_by_thread",
    "off_cpu",
    "off_cpu_by_thread",
    "stack_quality",
    "runqueue",
    "cpu_quota",
    "cpus",
    "disks",
    "disk_io",
    "memory",
    "pss",
    "memory_growth",
    "memory_timeline",
    "kernel_memory",
    "page_faults",
    "cgroups",
)
"""Listing order of the reports; the others follow by name."""

__all__ = ["Column", "Report", "find_report", "reports"]


@cache
def reports() -> tuple[Report, ...]:
    """All reports in listing order."""
    found = [read_view(path) for path in sorted((DIRECTORY / "reports").glob("*.sql"))]
    return tuple(sorted(found, key=lambda r: (ORDER.index(r.name) if r.name in ORDER else len(ORDER), r.name)))


def find_report(name: str) -> Report:
    """The report with this name. Raises BadRequest, which suggests similar names."""
    known = {r.name: r for r in reports()}
    if name in known:
        return known[name]
    if name.endswith(".parquet"):
        raise BadRequest(
            f"sysmon report takes one trace: give {name!r} to a call of its own, or quote a pattern for the files of "
            "one recording"
        )
    hint = did_you_mean(name, known, "`sysmon report --list` shows them")
    raise BadRequest(f"there is no report {name!r}; {hint}")
