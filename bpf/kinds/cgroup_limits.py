"""Limits of control groups on CPU time and I/O, and how often the first held them up."""

from dataclasses import replace

from sysmon.bpf.columns import TS
from sysmon.bpf.kind import Col, Kind
from sysmon.bpf.kinds.cgroups import CGROUP

HIERARCHIES = ("unified", "cpu", "blkio")
"""Version 2, and the two hierarchies of version 1 that have limits."""

MOST_GROUPS = 4096
"""Directories that are looked at for limits."""

_PATH = next(col for col in CGROUP.cols if col.name == "cgroup_path")


def _came(name: str, doc: str, unit: str = "") -> Col:
    return Col(name, "u64", f"{doc}, since the previous snapshot. NULL without a CPU quota.", unit, derived=True)


CGROUP_LIMIT = Kind(
    "cgroup_limit",
    "cgroup_limits",
    "A control group that has a CPU quota or whose I/O is limited, at a snapshot, of either version of control groups; "
    f"and, once, the root of each hierarchy of version 1. Groups are looked for every 10 s, in at most {MOST_GROUPS} "
    "directories of each hierarchy: one that lived for less may be missing.",
    cols=(
        TS,
        Col("hierarchy", "text", "'unified' for version 2; 'cpu' or 'blkio' for version 1.", derived=True),
        Col("limited_group", "u64", "Id of the group: the inode of its directory in that hierarchy.", derived=True),
        replace(_PATH, derived=True, sizes=()),
        Col("quota_ns", "u64", "CPU time that it may use in each period, of all CPUs.", "ns", derived=True),
        Col("period_ns", "u64", "Length of a period.", "ns", derived=True),
        _came("quota_periods", "Periods in which one of its threads could run"),
        _came("throttled_periods", "Those of them in which it used up the quota"),
        _came("throttled_ns", "Time for which it was throttled, added over the CPUs on which it had threads", "ns"),
        Col(
            "io_limits",
            "text",
            "Limits of its I/O by device number, such as '254:0 wbps=1048576'; NULL if there are none.",
            derived=True,
        ),
    ),
    of_interval=True,
)

KINDS = (CGROUP_LIMIT,)
