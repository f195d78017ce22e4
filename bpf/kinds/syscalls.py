"""System calls: count, duration and outcome by process; and calls in flight at the start or the end."""

from sysmon.bpf.columns import COMM, EDGE, ERROR, LATENCY_NS, PID, RESULT, START, TID, TS, UID, key
from sysmon.bpf.kind import Col, Kind, Map, Ring

MIB = 1024 * 1024

SUB_BITS = 3
"""log2 of the buckets per octave: with 8, a bucket's middle is within 6.25 % of everything in it."""

NO_RETURN = 0xFFFF
"""The bucket, in C, of calls that never returned. NULL in the file."""

ABI_SHIFT = 14
"""In C the two high bits of a u16 system call number select its table: 0 native, 1 ia32, 2 x32."""

UNKNOWN_NR = (1 << ABI_SHIFT) - 1
"""The number, in C, of a call that is in no table, such as -1 from seccomp or ptrace. NULL in the file."""

NR = Col(
    "nr",
    "u16",
    "System call number, in the table `abi`; NULL if it is in no table, or 16,383 or more.",
    null=UNKNOWN_NR,
    rule="call",
)
ABI = Col(
    "abi",
    "text",
    "System call table of the number, named by architecture, such as 'x86_64' or 'i386'.",
    derived=True,
    rule="call table",
)
SYSCALL = Col(
    "syscall",
    "text",
    "Name of the system call, looked up on the recording machine.",
    derived=True,
    rule="call name",
)

ERRNO = Col("errno", "u16", "Error number: 1 to 4095.", role="key")

CALLS = Col("calls", "u64", "Calls that returned, or never return, in the interval.", role="sum")
TOTAL_NS = Col("total_ns", "u64", "Sum of latencies.", "ns", role="sum")

RETURNED = (TS, PID, START, TID, UID, COMM, NR, ABI, SYSCALL, RESULT, ERROR, LATENCY_NS)
"""Common columns of calls that are events because of what they did."""

BYTES = Col(
    "bytes",
    "u64",
    "Bytes read, written or copied. Without data only looked at with MSG_PEEK, and without the truncated rest of "
    "messages; for recvmmsg and sendmmsg the lengths of their messages. NULL for calls that move no data, and for "
    "32-bit calls.",
    "bytes",
    role="sum",
    rule="bytes moved",
)

BLOCKED_NS = Col(
    "blocked_ns",
    "u64",
    "Part of `total_ns` in which the threads slept, waiting for an event. 0 if none did.",
    "ns",
    role="sum",
)
UNINTERRUPTIBLE_NS = Col(
    "uninterruptible_ns",
    "u64",
    "Part of `blocked_ns` in uninterruptible sleep, such as for a disk.",
    "ns",
    role="sum",
)
RUNNABLE_NS = Col(
    "runnable_ns",
    "u64",
    "Part of `total_ns` in which the threads were ready to run and waited for a CPU, after a sleep or a "
    "preemption. NULL if the kernel does not count it (CONFIG_SCHED_INFO); waits after a sleep are then in "
    "`blocked_ns`.",
    "ns",
    role="sum",
)

SYSCALL_STATS = Kind(
    "syscall_stats",
    "syscall_stats",
    "System calls of one process, by call and latency, since the previous snapshot. Sums over rows are exact totals.",
    cols=(
        TS,
        key(PID),
        key(START),
        key(NR),
        ABI,
        SYSCALL,
        Col(
            "bucket",
            "u16",
            "Latency bucket. Below 8 it is the latency in ns; otherwise, with o = bucket/8 and s = bucket%8, it "
            "covers (8+s)·2^(o-1) ns to (9+s)·2^(o-1) ns. NULL if the call never returns, such as exit_group.",
            role="key",
            null=NO_RETURN,
        ),
        CALLS,
        Col("errors", "u64", "Calls among them that failed: -4095 to -1.", role="sum"),
        TOTAL_NS,
        Col("max_ns", "u64", "Largest latency.", "ns", role="max"),
        BYTES,
        BLOCKED_NS,
        UNINTERRUPTIBLE_NS,
        RUNNABLE_NS,
    ),
    source=Map(65536),
)

SYSCALL_ERRORS = Kind(
    "syscall_errors",
    "syscall_errors",
    "Failed system calls of one process, by call and error, since the previous snapshot. `syscall_stats` counts "
    "them too.",
    cols=(
        TS,
        key(PID),
        key(START),
        key(NR),
        ABI,
        SYSCALL,
        ERRNO,
        ERROR,
        CALLS,
        TOTAL_NS,
    ),
    source=Map(16384),
)

SYSCALL_INFLIGHT = Kind(
    "syscall_inflight",
    "syscalls_in_flight",
    "A system call in flight at the start or the end of the recording: it began before, or had not returned by the"
    " end. It is in no other row.",
    cols=(
        TS,
        PID,
        START,
        TID,
        COMM,
        NR,
        ABI,
        SYSCALL,
        EDGE,
        Col("elapsed_ns", "u64", "Part of the call that is inside the recording: a lower bound of its latency.", "ns"),
    ),
    source=Ring((1 * MIB,)),
)

KINDS = (SYSCALL_STATS, SYSCALL_ERRORS, SYSCALL_INFLIGHT)
