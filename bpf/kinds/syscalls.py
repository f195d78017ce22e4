"""System calls: how often, how long, with what success, by process; and those that an end of the recording cut."""

from sysmon.bpf.columns import COMM, EDGE, ERROR, LATENCY_NS, PID, RESULT, START, TID, TS, UID, key
from sysmon.bpf.kind import Col, Kind, Map, Ring

MIB = 1024 * 1024

SUB_BITS = 3
"""log2 of the buckets in an octave: 8 buckets, so a bucket's middle is within 6.25 % of all that is in it."""

NO_RETURN = 0xFFFF
"""The bucket, in C, of the calls that never returned. In the file their bucket is NULL."""

ABI_SHIFT = 14
"""In C the two high bits of a u16 system call number are its table: 0 native, 1 ia32, 2 x32."""

UNKNOWN_NR = (1 << ABI_SHIFT) - 1
"""In C the number of a call that is in no table, such as -1 left by seccomp or ptrace. NULL in the file."""

NR = Col(
    "nr",
    "u16",
    "System call number, in the table of `abi`; NULL if it was in no table, or 16,383 or more.",
    null=UNKNOWN_NR,
)
ABI = Col(
    "abi",
    "text",
    "The table that the number is from: an architecture's name, such as 'x86_64' or 'i386'.",
    derived=True,
)
SYSCALL = Col("syscall", "text", "Name of the system call, looked up on the recording machine.", derived=True)

ERRNO = Col("errno", "u16", "Number of the error that they failed with: 1 to 4095.", role="key")

CALLS = Col("calls", "u64", "Calls that returned, or will never return, in the interval.", role="sum")
TOTAL_NS = Col("total_ns", "u64", "Sum of their latencies.", "ns", role="sum")

RETURNED = (TS, PID, START, TID, UID, COMM, NR, ABI, SYSCALL, RESULT, ERROR, LATENCY_NS)
"""What every row says of a call that is an event for what it did."""

BYTES = Col(
    "bytes",
    "u64",
    "Bytes that they read, wrote or copied. Not what a MSG_PEEK only looked at, nor the rest of a message that was "
    "longer than its room; of recvmmsg and sendmmsg the lengths of their messages. NULL for a call that moves none, "
    "and for 32-bit calls.",
    "bytes",
    role="sum",
)

BLOCKED_NS = Col(
    "blocked_ns",
    "u64",
    "How much of `total_ns` their threads slept: off a CPU, and nothing to do there until something happened. "
    "0: none of them waited.",
    "ns",
    role="sum",
)
UNINTERRUPTIBLE_NS = Col(
    "uninterruptible_ns",
    "u64",
    "How much of `blocked_ns` no signal could have ended, as in waiting for a disk.",
    "ns",
    role="sum",
)
RUNNABLE_NS = Col(
    "runnable_ns",
    "u64",
    "How much of `total_ns` their threads were ready to run and waited for a CPU: after a sleep, or because another "
    "was given theirs. NULL if the kernel does not count it (CONFIG_SCHED_INFO); what came after a sleep is then in "
    "`blocked_ns`.",
    "ns",
    role="sum",
)

SYSCALL_STATS = Kind(
    "syscall_stats",
    "syscall_stats",
    "System calls of one process, by call and latency, since the snapshot before. Sums over rows are exact totals.",
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
            "Latency bucket: below 8 the latency in ns itself; else with o = bucket/8 and s = bucket%8 "
            "from (8+s)·2^(o-1) ns to (9+s)·2^(o-1) ns. NULL: the call never returned, as exit_group.",
            role="key",
            null=NO_RETURN,
        ),
        CALLS,
        Col("errors", "u64", "Calls among them whose result was an error: -4095 to -1.", role="sum"),
        TOTAL_NS,
        Col("max_ns", "u64", "The largest of their latencies.", "ns", role="max"),
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
    "System calls of one process that failed, by call and error, since the snapshot before. They are among the calls "
    "of `syscall_stats`.",
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
    "A system call that an end of the recording cut: it began before, or had not returned by the end. "
    "It is in no other row.",
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
        Col("elapsed_ns", "u64", "How much of the call lies in the recording: a lower bound of its latency.", "ns"),
    ),
    source=Ring((1 * MIB,)),
)

KINDS = (SYSCALL_STATS, SYSCALL_ERRORS, SYSCALL_INFLIGHT)
