"""What the task iterators send to the recorder: structs that are not rows of a trace themselves."""

from sysmon.bpf.columns import (
    CGROUP_ID,
    COMM,
    EGID,
    EUID,
    GID,
    NS_PID,
    PARENT_START,
    PID,
    PPID,
    START,
    THREADS,
    TID,
    UID,
)
from sysmon.bpf.kind import Col, layout
from sysmon.bpf.kinds.cpu import THREADS_OFF_CPU
from sysmon.bpf.nulls import NOT_COUNTED

TASK = layout(
    "task",
    (
        START,
        PARENT_START,
        CGROUP_ID,
        Col("cpu_ns", "u64", "CPU time of this thread.", "ns"),
        Col("ended_cpu_ns", "u64", "CPU time of the threads of its process that have ended.", "ns"),
        PID,
        TID,
        PPID,
        UID,
        EUID,
        GID,
        EGID,
        NS_PID,
        THREADS,
        Col("flags", "u32", "PF_… of include/linux/sched.h."),
        Col("state", "u32", "TASK_… of include/linux/sched.h."),
        Col("exit_state", "u32", "EXIT_… of include/linux/sched.h; 0: the thread lives."),
        COMM,
    ),
)
"""State of one thread."""

HOLDING = layout(
    "holding",
    (
        START,
        PID,
        THREADS,
        Col(
            "descriptors", "u32", "Open descriptors of the process; the largest number: not counted.", null=NOT_COUNTED
        ),
    ),
)
"""Threads and descriptors of a process."""

OFF_CPU = layout("off_cpu", THREADS_OFF_CPU.c_cols())
"""A thread that is off the CPU; `ts` is since when."""
