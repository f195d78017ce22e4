"""Who ended the waits of each thread, and what it waited for: opt-in, as this costs at every switch."""

from __future__ import annotations

from dataclasses import replace

from sysmon.bpf.columns import PID, START, TID, TS, key
from sysmon.bpf.kind import Col, Kind, Map
from sysmon.bpf.kinds.cpu import CPU, THREAD, WAITED_FOR
from sysmon.bpf.kinds.path_columns import bytes_col
from sysmon.bpf.kinds.sockets import SOCKET
from sysmon.bpf.kinds.syscalls import ABI, NR, SYSCALL
from sysmon.bpf.nulls import NO_LENGTH

WAKERS = ("thread", "timer", "network", "disk", "device", "interrupt")
"""`woken_by` by its number. All but the first are interrupts, in which any thread may happen to run."""

NOBODY = 0xFF
"""In C: it is unknown who woke the thread."""

OBJECT = Col(
    "object",
    "u64",
    "What it waited for, or read or wrote: the inode of a file, pipe or socket, the address of a futex in its own "
    "memory, or the id of a semaphore set or message queue. Of poll(2) only if that has a single descriptor. NULL if "
    "the call names none, and for anonymous files in `object_io`.",
    null=0,
)
OBJECT_DEVICE = Col("object_device", "u32", "Device of a file or pipe (st_dev of stat(2)); NULL for others.", null=0)

_OF_SOCKETS = {c.name: c for c in SOCKET.cols}
_OF_CPU = {c.name: c for c in CPU.cols}
_NAME_BYTES, _IP_BYTES = 32, 16


def _any(col: Col) -> Col:
    """A column that follows from the key, noted once."""
    return replace(col, role="any")


WAITS = Kind(
    "waits",
    "wakeups",
    "The waits of one thread that ended since the previous snapshot, by what it waited for and by who woke it. For "
    "each `waited_for` they add up to those of `cpu`, without 'runnable'.",
    cols=(
        TS,
        key(PID),
        key(START),
        key(replace(TID, null=0)),
        replace(THREAD, role="any"),
        key(WAITED_FOR),
        key(NR),
        ABI,
        SYSCALL,
        key(OBJECT),
        key(OBJECT_DEVICE),
        _any(
            Col(
                "object_name",
                "bytes",
                "Name of the file in its directory, at most 31 bytes; of an anonymous file its type, such as "
                "'[eventfd]'. NULL for others.",
                sizes=(_NAME_BYTES,),
                null=NO_LENGTH,
            )
        ),
        bytes_col("object_name"),
        _any(_OF_SOCKETS["family"]),
        _any(_OF_SOCKETS["local_port"]),
        _any(replace(_OF_SOCKETS["remote_address"], sizes=(_IP_BYTES,))),
        _any(_OF_SOCKETS["remote_port"]),
        key(
            Col(
                "woken_by",
                "choice",
                "Who ended the wait: 'thread', the one in `waker_pid`; 'timer', 'network' or 'disk', an interrupt of "
                "that kind; 'device', that of another device; 'interrupt', any other. NULL if unknown, such as when "
                "it was woken while it was falling asleep.",
                names=WAKERS,
            )
        ),
        key(Col("waker_pid", "u32", "Process id of the thread that woke it; NULL if none did.", null=0)),
        key(Col("waker_start", "start", "`start` of that process; NULL if none did.", "ns", null=0)),
        key(
            Col(
                "waker_tid",
                "u32",
                "Thread id of the waker, for locks inside one process: it released what was waited for. NULL for "
                "others.",
                null=0,
            )
        ),
        Col(
            "waker_thread",
            "comm",
            "Name of the thread that woke it, if its process is not recorded, such as one of the kernel where only "
            "a command is; NULL for others.",
            role="any",
        ),
        *(_OF_CPU[name] for name in ("waits", "waited_ns", "max_waited_ns", "waited_before_ns")),
        Col(
            "has_owner",
            "bool",
            "Whether it waited for a futex with priority inheritance, which only its owner can release.",
            role="any",
        ),
        Col(
            "held_ns",
            "u64",
            "For what may be a lock: the part of `waited_ns` since the waker's process last released it to anybody, or "
            "else since the wait began. So long the waker held it at least, if it is a lock, and unless several may "
            "hold it at once. 0 if the waker was not releasing a lock: it ended, it sent a signal, or it would have "
            "woken any number of threads.",
            "ns",
            role="sum",
        ),
    ),
    source=Map(16384, forgets=("tid", "nr", "object", "object_device", "waker_tid")),
    opt_in=True,
)  # fmt: skip

KINDS = (WAITS,)
