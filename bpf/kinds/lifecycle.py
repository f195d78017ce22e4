"""Processes: those alive at the start or the end, and every fork, exec, exit and rename in between."""

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
from sysmon.bpf.kinds.path_columns import IDENTITY, MOUNT_NAMESPACE, bytes_col, path_cols
from sysmon.bpf.nulls import NO_EXIT_CODE, NO_LENGTH

KIB, MIB = 1024, 1024 * 1024

PROCESS = Kind(
    "process",
    "process_states",
    "A process that existed at the start or the end of the recording, as /proc shows it; in state 'Z' it is dead.",
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
            "State of its first living thread, as in proc_pid_stat(5): 'R' running or runnable, 'S' sleeping, 'D' "
            "uninterruptible sleep, 'T' or 't' stopped, 'I' idle kernel thread. 'Z': all threads have ended, and "
            "its parent has not waited for it.",
            derived=True,
        ),
        PATH,
        ARGV,
        ARGV_TRUNCATED,
        Col("kernel_thread", "bool", "Whether it is a kernel thread, without a program of its own.", derived=True),
        THREADS,
        Col(
            "cpu_ns",
            "u64",
            "User and system CPU time of all its threads since it started, as the kernel accounts it; for running "
            "threads up to the last tick. In traces of schema version 1 in ticks of 10 ms.",
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
    "A successful execve(2) or execveat(2). `comm` is the name after the exec.",
    cols=(
        TS,
        PID,
        PPID,
        COMM,
        *path_cols("", (128, 4096), (96, 4096), PATH.doc),
        Col(
            "executable",
            "names",
            "The file that runs, as an absolute path in its mount namespace, after following all symbolic links: "
            "the program, or the interpreter of a script. Ends in ' (deleted)' if removed; a file in no directory "
            "is shown as 'memfd:NAME'. NULL if unknown.",
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
            "The interpreter that runs `path`, from its first line (#!) or binfmt_misc; of several, the last. NULL"
            " if there is none.",
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
        Col("exit_code", "s32", "Exit code, 0 to 255; NULL if a signal ended it.", null=NO_EXIT_CODE),
        Col("signal", "u8", "Signal that ended the process; NULL if it exited normally.", null=0),
        Col("core_dumped", "bool", "Whether a core was dumped, according to the kernel."),
        Col("lifetime_ns", "u64", "From the process's start to its end.", "ns"),
        PEAK_RSS,
        CGROUP_ID,
    ),
    source=Ring((1 * MIB,)),
)

RENAME = Kind(
    "rename",
    "renames",
    "A thread was renamed other than by exec: prctl(PR_SET_NAME) or a write to /proc/PID/comm. The process's name "
    "is that of the thread whose tid equals pid.",
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
