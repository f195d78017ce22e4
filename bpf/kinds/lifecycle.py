"""Processes: what was alive at either end, and every fork, exec, exit and rename in between."""

from dataclasses import replace

from sysmon.bpf.columns import (
    ARGV,
    ARGV_TRUNCATED,
    CGROUP_ID,
    COMM,
    EDGE,
    EGID,
    EUID,
    GID,
    NS_PID,
    PARENT_START,
    PATH,
    PEAK_RSS,
    PID,
    PPID,
    START,
    THREADS,
    TID,
    TS,
    UID,
)
from sysmon.bpf.kind import Col, Kind, Ring
from sysmon.bpf.kinds.places import IDENTITY, MOUNT_NAMESPACE, NO_LENGTH, bytes_col, path_cols

KIB, MIB = 1024, 1024 * 1024

PROCESS = Kind(
    "process",
    "process_states",
    "A process that was there when the recording began or ended, as /proc shows it: alive or, in state 'Z', dead.",
    cols=(
        TS,
        PID,
        START,
        PPID,
        PARENT_START,
        UID,
        COMM,
        EDGE,
        Col(
            "state",
            "text",
            "State of its first thread that lives, as proc_pid_stat(5) has it: 'R' runs or could, 'S' sleeps, 'D' "
            "waits and cannot be interrupted, 'T' or 't' is stopped, 'I' is an idle thread of the kernel. 'Z': all "
            "have ended, and its parent has not asked for its status.",
            derived=True,
        ),
        PATH,
        ARGV,
        ARGV_TRUNCATED,
        Col("kernel_thread", "bool", "Whether it is a thread of the kernel, with no program of its own.", derived=True),
        THREADS,
        Col(
            "cpu_ns",
            "u64",
            "CPU time since the process began, user and system, of all its threads, as the kernel accounts it: of what "
            "runs, up to its last tick. In traces of schema version 1 in ticks of 10 ms.",
            "ns",
            derived=True,
        ),
        CGROUP_ID,
        NS_PID,
        *(replace(col, derived=True) for col in (*IDENTITY[:2], MOUNT_NAMESPACE, EUID, GID, EGID)),
    ),
)

FORK = Kind(
    "fork",
    "forks",
    "A new process: fork, vfork or clone without CLONE_THREAD. `pid` and `comm` are the child's.",
    cols=(TS, PID, START, PPID, PARENT_START, UID, COMM, CGROUP_ID, NS_PID),
    source=Ring((1 * MIB,)),
)

EXEC = Kind(
    "exec",
    "execs",
    "A successful execve(2) or execveat(2): the process now runs another program. `comm` is the name after it.",
    cols=(
        TS,
        PID,
        PPID,
        COMM,
        *path_cols("", (128, 4096), (96, 4096), PATH.doc),
        Col(
            "executable",
            "names",
            "The file that runs, absolute in its mount namespace, behind all symbolic links: the program itself or, of "
            "a script, its interpreter. One that was removed ends in ' (deleted)'; one that is in no directory is as "
            "'memfd:NAME'. NULL if not known.",
            sizes=(128, 4096),
            null=NO_LENGTH,
        ),
        bytes_col("executable"),
        *IDENTITY,
        ARGV,
        ARGV_TRUNCATED,
        Col(
            "interpreter",
            "bytes",
            "What runs `path`, as its first line (#!) or binfmt_misc has it, of several the last; NULL if it runs by "
            "itself.",
            sizes=(64, 256),
            null=NO_LENGTH,
        ),
        START,
        PARENT_START,
        TID,
        UID,
        EUID,
        GID,
        EGID,
        CGROUP_ID,
        NS_PID,
    ),
    source=Ring((2 * MIB, 4 * MIB)),
)

EXIT = Kind(
    "exit",
    "exits",
    "The end of a process, which is the end of its last thread.",
    cols=(
        TS,
        PID,
        START,
        PPID,
        UID,
        COMM,
        Col("exit_code", "s32", "What the process passed to exit(2), 0 to 255; NULL if a signal ended it.", null=-1),
        Col("signal", "u8", "The signal that ended the process; NULL if it exited by itself.", null=0),
        Col("core_dumped", "bool", "Whether the kernel marked that a core was dumped."),
        Col("lifetime_ns", "u64", "From the process's start to its end.", "ns"),
        PEAK_RSS,
        CGROUP_ID,
    ),
    source=Ring((1 * MIB,)),
)

RENAME = Kind(
    "rename",
    "renames",
    "A thread was given another name, other than by exec: prctl(PR_SET_NAME) or a write to /proc/PID/comm. "
    "The process's own name is that of the thread whose tid equals pid.",
    cols=(
        TS,
        PID,
        START,
        TID,
        UID,
        Col("old_comm", "comm", "Name before."),
        COMM,
    ),
    source=Ring((256 * KIB,)),
)

KINDS = (PROCESS, FORK, EXEC, EXIT, RENAME)
