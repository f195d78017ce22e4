"""Each system call as a row of its own, with its arguments: opt-in, as there can be millions a second."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

from sysmon.bpf.columns import ERROR, LATENCY_NS, PID, RESULT, START, TID, TS
from sysmon.bpf.kind import Col, Kind, Ring
from sysmon.bpf.kinds.calls import FILE_OPS, OPENS
from sysmon.bpf.kinds.objects import OBJECT_TYPE
from sysmon.bpf.kinds.syscalls import ABI, NR
from sysmon.bpf.kinds.syscalls import SYSCALL as NAME
from sysmon.bpf.kinds.wakeups import OBJECT, OBJECT_DEVICE
from sysmon.bpf.nulls import NO_ARG, NO_LENGTH

KIB, MIB = 1024, 1024 * 1024

NUMBERS = 1024
"""Call numbers that the programs tell apart in each table; the last one stands for all above."""

EVENT_CALLS = 3 * NUMBERS
"""Entries of the programs' map `event_calls`: native, ia32 and x32 calls."""

MIN_BUFFER, MAX_BUFFER = 64 * KIB, 1024 * MIB
"""Smallest and largest ring size that may be requested [bytes]."""


def _arg(position: int) -> Col:
    ordinal = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth")[position - 1]
    return Col(
        f"arg{position}",
        "u64",
        f"{ordinal} argument: its register when the call returns, even if the call has fewer arguments. NULL if "
        "unknown, such as for a call in which the thread ended.",
        null=NO_ARG,
    )


def _string(name: str, doc: str, small: int) -> Col:
    return Col(
        name,
        "bytes",
        f"{doc} At most 4,095 bytes; those that are not UTF-8 are written as \\xNN. NULL if the call has none, or it "
        "could not be read.",
        sizes=(0, small, 4096),
        null=NO_LENGTH,
    )


_OF_OBJECT = (OBJECT, OBJECT_DEVICE, OBJECT_TYPE)
_SECOND_OBJECT = (
    "The same of the second descriptor, or of the one that the call returned, such as the file that it opened."
)

SYSCALL = Kind(
    "syscall",
    "syscall_events",
    "One system call that returned in the recording, or never returns; only with `record --syscalls`. `ts` is its "
    "entry.",
    cols=(
        TS,
        PID,
        START,
        TID,
        NR,
        ABI,
        NAME,
        RESULT,
        ERROR,
        LATENCY_NS,
        *(_arg(position) for position in range(1, 7)),
        _string("string1", "The first path or other NUL-terminated string that an argument points to.", 256),
        _string("string2", "The second such string.", 128),
        Col(
            "sockaddr",
            "binary",
            "The socket address that an argument points to, as struct sockaddr. NULL if the call has none, or it "
            "could not be read.",
            sizes=(0, 128, 128),
            null=NO_LENGTH,
        ),
        OBJECT,
        OBJECT_DEVICE,
        OBJECT_TYPE,
        *(replace(col, name=col.name.replace("object", "object2"), doc=_SECOND_OBJECT) for col in _OF_OBJECT),
    ),
    source=Ring((64 * MIB, 16 * MIB, 2 * MIB)),
    opt_in=True,
)

KINDS = (SYSCALL,)

KEEP_EXEC, KEEP_EXIT, KEEP_FILE = 1, 2, 3
"""What is kept of a call at its entry: arguments, until an exec or the end of the thread; the file that it closes."""

FD_RESULT = 7
"""In `fd2`: the descriptor is what the call returns."""

UNUSED = 6
"""Bytes at the end of the struct."""


@dataclass(frozen=True)
class EventCall:
    """What the programs must know of a call that is an event. Argument positions: from 1; 0: none."""

    wanted: int = 1
    string1: int = 0
    string2: int = 0
    address: int = 0
    length: int = 0
    length_at: int = 0
    out: int = 0
    keep: int = 0
    fd: int = 0
    fd2: int = 0

    def raw(self, *, wanted: bool) -> bytes:
        """The bytes of the struct."""
        return bytes((int(wanted), *astuple(self)[1:], *bytes(UNUSED)))


_FIRST = """
access chdir chroot statfs stat lstat stat64 lstat64 readlink utime utimes acct swapon swapoff umount umount2
memfd_create getxattr setxattr listxattr removexattr lgetxattr lsetxattr llistxattr lremovexattr chown32 lchown32
truncate64 statfs64 mq_open mq_unlink fsopen delete_module
""".split()
_SECOND = """
newfstatat fstatat64 statx faccessat faccessat2 readlinkat utimensat utimensat_time64 futimesat name_to_handle_at
inotify_add_watch open_tree fspick
""".split()

_OF_FD = """
read write pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2 openat openat2 close fstat fstat64 newfstatat
fstatat64 statx fstatfs faccessat faccessat2 readlinkat fchdir mkdirat mknodat unlinkat fchmod fchmodat fchmodat2 fchown
fchownat utimensat futimesat ftruncate fallocate lseek getdents getdents64 fsync fdatasync syncfs sync_file_range
readahead fadvise64 flock fcntl fcntl64 ioctl dup execveat epoll_wait epoll_pwait epoll_pwait2 connect bind listen
accept accept4 getsockname getpeername sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown setsockopt getsockopt
inotify_add_watch vmsplice signalfd signalfd4 timerfd_settime timerfd_gettime io_uring_enter io_uring_register
fgetxattr fsetxattr flistxattr fremovexattr fanotify_mark name_to_handle_at pidfd_send_signal pidfd_getfd
""".split()
_MAKING_FD = """
open openat openat2 creat accept accept4 dup socket epoll_create epoll_create1 eventfd eventfd2 memfd_create
timerfd_create inotify_init inotify_init1 pidfd_open pidfd_getfd io_uring_setup fanotify_init userfaultfd
""".split()
FDS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(_OF_FD, (1, 0)),
    **{name: (1 if name in _OF_FD else 0, FD_RESULT) for name in _MAKING_FD},
    **dict.fromkeys(
        ("renameat", "renameat2", "linkat", "copy_file_range", "splice", "epoll_ctl", "move_mount"), (1, 3)
    ),
    **dict.fromkeys(("dup2", "dup3", "sendfile", "tee"), (1, 2)),
    "symlinkat": (2, 0),
    "mmap": (5, 0),
    "mmap2": (5, 0),
}
"""Call → positions of its descriptors, from 1; 0: none."""

_READ: dict[str, EventCall] = {
    **{name: EventCall(string1=s.path, string2=s.path2) for name, s in {**OPENS, **FILE_OPS}.items() if s.path},
    **{name: EventCall(string1=1) for name in _FIRST},
    **{name: EventCall(string1=2) for name in _SECOND},
    **{name: EventCall(string1=1, string2=2) for name in ("pivot_root", "mount")},
    "move_mount": EventCall(string1=2, string2=4),
    "getcwd": EventCall(string1=1, out=1),
    "execve": EventCall(string1=1, keep=KEEP_EXEC),
    "execveat": EventCall(string1=2, keep=KEEP_EXEC),
    **{name: EventCall(keep=KEEP_EXIT) for name in ("exit", "exit_group")},
    **{name: EventCall(address=2, length=3) for name in ("connect", "bind")},
    "sendto": EventCall(address=5, length=6),
    "recvfrom": EventCall(address=5, length_at=6, out=1),
    **{name: EventCall(address=2, length_at=3, out=1) for name in ("accept", "accept4", "getsockname", "getpeername")},
}

CALLS: dict[str, EventCall] = {
    name: replace(
        _READ.get(name, EventCall(keep=KEEP_FILE if name == "close" else 0)),
        **dict(zip(("fd", "fd2"), FDS.get(name, (0, 0)), strict=True)),
    )
    for name in _READ.keys() | FDS.keys()
}
"""Calls of which more than the registers is read. Those that a machine's table lacks are left out."""
