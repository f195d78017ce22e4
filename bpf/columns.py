"""Columns that several kinds share. A column name means the same thing in every kind that has it."""

from dataclasses import replace

from sysmon.bpf import nulls
from sysmon.bpf.kind import Col

TS = Col("ts", "time", "When it happened; for rows of a snapshot, when the snapshot was taken.", "UTC")
OTHER_PID = 0
"""In counts: all processes that did not fit into a full map. No process has this pid; idle threads are never counted.
"""

PID = Col(
    "pid",
    "u32",
    "Process id (thread group id) in the initial pid namespace. In counts, 0 stands for all processes that did "
    "not fit into a full map.",
)
START = Col(
    "start",
    "start",
    "Start time of the process, since boot (CLOCK_BOOTTIME), as the kernel has it. (pid, start) identifies a "
    "process; a reused pid is another process. In traces of schema version 1, and of those that list `start` as "
    "not measured, rounded down to a tick of 10 ms, as in /proc.",
    "ns",
)
NS_PID = Col(
    "ns_pid",
    "u32",
    "Process id in its own pid namespace; differs from `pid` in a container. NULL if unknown.",
    null=0,
)
THREADS = Col("threads", "u32", "Threads of the process.", derived=True)
TID = Col("tid", "u32", "Thread id in the initial pid namespace.")
PPID = Col("ppid", "u32", "Process id of the parent at that moment.")
PARENT_START = Col("parent_start", "start", "`start` of the parent, so that (ppid, parent_start) is one process.", "ns")
UID = Col("uid", "u32", "Real user id in the initial user namespace.")
EUID = Col("euid", "u32", "Effective user id in the initial user namespace.")
GID = Col("gid", "u32", "Real group id in the initial user namespace.")
EGID = Col("egid", "u32", "Effective group id in the initial user namespace.")
COMM = Col("comm", "comm", "Command name at that moment, at most 15 bytes.")
EDGE = Col(
    "edge",
    "text",
    "When it existed: at the 'start' of the recording, its 'end', or 'both'. In a part of a trace also 'neither': it "
    "is there for its name alone, as others refer to it.",
    derived=True,
)
PATH = Col(
    "path",
    "bytes",
    "Path as passed to the system call; NULL if a descriptor was passed. For a process, the path of the file it "
    "runs. Bytes that are not UTF-8 are written as \\xNN.",
    sizes=(128, 4096),
)
ARGV = Col(
    "argv",
    "argv",
    "Arguments of the program, starting with the name it was called by. Bytes that are not UTF-8 are written as \\xNN.",
    sizes=(256, 4096),
)
ARGV_TRUNCATED = Col("argv_truncated", "bool", "Whether `argv` was truncated.")
RESULT = Col(
    "result",
    "s64",
    "Return value; -4095 to -1 are negative error numbers. NULL if the call never returns, such as exit_group.",
    null=nulls.NO_RESULT,
)
ERROR = Col("error", "text", "Name of the error, such as 'ENOENT'; NULL on success.", derived=True, rule="error")
LATENCY_NS = Col("latency_ns", "u64", "From the call's entry to its return.", "ns", null=nulls.UNKNOWN_NS)
CGROUP_ID = Col(
    "cgroup_id",
    "u64",
    "Id of its control group at that moment, in the unified hierarchy (version 2); NULL if unknown.",
    null=0,
)
PEAK_RSS = Col(
    "peak_rss_bytes",
    "u64",
    "Peak resident memory since its last exec; NULL if the kernel does not report it. At an exit, on a kernel "
    "without CONFIG_KALLSYMS_ALL, it is within max(32, 2 * CPUs) pages per CPU, as in getrusage(2).",
    "bytes",
    null=0,
)


def key(col: Col) -> Col:
    """Returns the column as part of a map's key."""
    return replace(col, role="key")
