"""Processes that the kernel killed because there was no memory left."""

from __future__ import annotations

from dataclasses import replace

from sysmon.bpf.columns import CGROUP_ID, PID, START, TS
from sysmon.bpf.kind import Col, Kind, Program, Ring
from sysmon.bpf.nulls import NO_LENGTH, UNKNOWN_BYTES


def _held(name: str, what: str) -> Col:
    return Col(name, "u64", f"{what} that it had in memory; NULL before Linux 6.16.", "bytes", null=UNKNOWN_BYTES)


OOM_KILL = Kind(
    "oom_kill",
    "oom_kills",
    "A process that the kernel chose to kill, as a control group or the machine had no memory left. Before Linux 6.9 "
    "only its pid is known.",
    cols=(
        TS,
        PID,
        replace(START, null=0),
        CGROUP_ID,
        Col(
            "memory_group",
            "bytes",
            "Path of its control group in the hierarchy of version 1 that has the controller `memory`, at most 1,023 "
            "bytes and 16 levels. Bytes that are not UTF-8 are written as \\xNN. NULL in version 2, where it is that "
            "of `cgroup_id`, and before Linux 6.9.",
            null=NO_LENGTH,
            sizes=(1024,),
        ),
        _held("anon_bytes", "Anonymous memory"),
        _held("file_bytes", "Mapped file pages"),
        _held("shmem_bytes", "Shared memory"),
        Col(
            "trigger_pid",
            "u32",
            "Process id of the one that needed memory when there was none; NULL if a thread of the kernel did.",
            null=0,
        ),
        Col("trigger_start", "start", "`start` of that process.", "ns", null=0),
    ),
    source=Ring((64 * 1024,)),
    program=Program(
        "oom_kill",
        "oom.bpf.c",
        "mark_victim",
        "processes killed for lack of memory",
        members=(
            ("cgroup", "kn root"),
            ("cgroup_subsys_state", "cgroup?"),
            ("css_set", "subsys?"),
            ("kernfs_node", "name?"),
            ("task_struct", "cgroups mm tgid"),
        ),
    ),
)

KINDS = (OOM_KILL,)
