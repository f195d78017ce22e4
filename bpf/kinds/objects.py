"""Reads and writes by what they went to: files, pipes, sockets. Opt-in, as this costs at every such call."""

from __future__ import annotations

from dataclasses import replace

from sysmon.bpf.columns import PID, START, TID, TS, key
from sysmon.bpf.kind import Col, Kind, Map, Ring
from sysmon.bpf.kinds.path_columns import IDENTITY, MOUNT_NAMESPACE, bytes_col
from sysmon.bpf.kinds.sockets import SOCKET
from sysmon.bpf.kinds.syscalls import ABI, NR, SYSCALL, SYSCALL_STATS, UNKNOWN_NR
from sysmon.bpf.kinds.wakeups import OBJECT, OBJECT_DEVICE
from sysmon.bpf.nulls import NO_FD, NO_LENGTH

MIB = 1024 * 1024

MOST_POLLED = 16
"""Descriptors of a set that are recorded."""

MOST_SETS = 8
"""Sets of a thread and epoll that are recorded in an interval."""

DESCRIBED_ENTRIES = 16384
"""Objects of an interval that are remembered as described; others may be described twice."""

ANONYMOUS = {
    "eventfd": b"[eventfd",
    "timerfd": b"[timerfd",
    "signalfd": b"[signalf",
    "epoll": b"[eventpo",
    "inotify": b"inotify",
    "fanotify": b"[fanotif",
    "io_uring": b"[io_urin",
    "perf event": b"[perf_ev",
    "userfaultfd": b"[userfau",
    "pidfd": b"[pidfd]",
    "bpf map": b"bpf-map",
    "bpf program": b"bpf-prog",
}
"""Types of anonymous files, which share one inode, and the first 8 bytes of the kernel's name for them."""

TYPES = ("file", "directory", "block device", "device", "pipe", "socket", "anonymous", *ANONYMOUS)
"""`object_type` by its number in C; any other number: there is no object."""

WAYS = ("read", "write", "sync")

LARGEST_NAME = 256
"""NAME_MAX and the NUL: room after a path that the walk up to the root may overwrite."""

_OF_SOCKETS = {c.name: c for c in SOCKET.cols}
_COUNTS = {c.name: c for c in SYSCALL_STATS.cols}
_IP_BYTES = 16
_UNIX_BYTES = 108

OBJECT_TYPE = Col(
    "object_type",
    "choice",
    "What it is: 'file', 'directory', 'block device'; 'device', a character device such as a terminal; 'pipe', also a "
    "FIFO; 'socket'; "
    + ", ".join(f"'{name}'" for name in ANONYMOUS)
    + "; 'anonymous', another file without a name. NULL: the descriptor was not open when the call returned.",
    names=TYPES,
)
GENERATION = next(col for col in IDENTITY if col.name == "generation")

OBJECTS = Kind(
    "objects",
    "object_io",
    "What one process read from or wrote to one file, pipe or socket since the previous snapshot, by system call. The "
    "descriptor is looked up when the call returns; a copy of it by dup(2) is the same object. A call that copies from "
    "one descriptor to another (sendfile, splice, copy_file_range, tee) counts for both, each with all of its time. A "
    "datagram's remote address is the one that the call passed or returned, or else that of the connection; NULL for a "
    "call with several messages on a socket that is not connected. Calls by 32-bit programs, io_uring, libaio and "
    "access to mapped files are not counted.",
    cols=(
        TS,
        key(PID),
        key(START),
        key(replace(NR, null=UNKNOWN_NR)),
        ABI,
        SYSCALL,
        key(
            Col(
                "way",
                "choice",
                "'read' or 'write'; 'sync': the call waits until what was written is on the disk.",
                names=WAYS,
            )
        ),
        key(OBJECT_TYPE),
        key(OBJECT),
        key(OBJECT_DEVICE),
        key(GENERATION),
        key(_OF_SOCKETS["family"]),
        key(_OF_SOCKETS["socket_type"]),
        key(_OF_SOCKETS["local_port"]),
        key(replace(_OF_SOCKETS["remote_address"], sizes=(_IP_BYTES,))),
        key(_OF_SOCKETS["remote_port"]),
        *(_COUNTS[name] for name in ("calls", "errors", "total_ns", "max_ns", "bytes", "blocked_ns")),
    ),
    source=Map(
        16384,
        forgets=("nr", "object", "object_device", "generation", "local_port", "remote_address", "remote_port"),
    ),
    opt_in=True,
)

OBJECT_NAME = Kind(
    "object_name",
    "object_names",
    "What a file or socket is called that `object_io` counts or a row of `syscall_events` is about: a row for each "
    "interval, at the first call. A file has the name by which the calling process had opened it, even before the "
    "recording, or that it was given since. `object_io` has the addresses of IP itself.",
    cols=(
        TS,
        OBJECT_TYPE,
        OBJECT,
        OBJECT_DEVICE,
        GENERATION,
        # The path walk may overrun into the last LARGEST_NAME bytes.
        Col(
            "object_path",
            "names",
            "Absolute path in its mount namespace, whatever the root of the process; ends in ' (deleted)' if removed. "
            "A memfd is named 'memfd:NAME'. NULL for sockets, and with more than 64 directories or 4,095 bytes.",
            sizes=(96 + LARGEST_NAME, 512 + LARGEST_NAME, 4096 + LARGEST_NAME),
            null=NO_LENGTH,
        ),
        bytes_col("object_path"),
        MOUNT_NAMESPACE,
        _OF_SOCKETS["family"],
        *(
            col
            for end in ("local", "remote")
            for col in (
                replace(_OF_SOCKETS[f"{end}_address"], sizes=(_UNIX_BYTES,) * 3),
                _OF_SOCKETS[f"{end}_address_bytes"],
                _OF_SOCKETS[f"{end}_port"],
            )
        ),
        Col("peer_inode", "u64", "Inode of the unix socket at the other end; NULL if it is not connected.", null=0),
        Col(
            "peer_pid",
            "u32",
            "Process that was at the other end of a unix socket when it was connected, as SO_PEERCRED says: of a "
            "socket pair the one that made it. NULL if the kernel does not know.",
            null=0,
        ),
    ),
    source=Ring((4 * MIB, 1 * MIB, 1 * MIB)),
    opt_in=True,
)

POLLED = Kind(
    "polled",
    "polled",
    "A descriptor that a thread polled, by poll, ppoll, epoll_wait or epoll_pwait: the set as it was when such a call "
    f"returned first in the interval, and when it had changed, at most {MOST_SETS} times. A row for each descriptor, "
    f"at most {MOST_POLLED} of a set. Without select, which overwrites its set.",
    cols=(
        TS,
        PID,
        START,
        TID,
        NR,
        ABI,
        SYSCALL,
        Col("epoll_fd", "s32", "Descriptor of the epoll; NULL for poll.", null=NO_FD),
        Col("polled_fd", "s32", "The descriptor that is polled, as it was when it was added to the set."),
        Col("polled_events", "u32", "For which events, EPOLL… or POLL…, whose values are the same."),
        Col("set_size", "u32", "Descriptors in the set; NULL if it is an epoll.", null=0),
        OBJECT,
        OBJECT_DEVICE,
        OBJECT_TYPE,
    ),
    source=Ring((1 * MIB,)),
    opt_in=True,
)

KINDS = (OBJECTS, OBJECT_NAME, POLLED)

WITH_NAMES = frozenset((OBJECTS.name, "syscall", "waits"))
"""Kinds whose objects have names, and whose polls have sets."""
