"""Each system call as a row of its own, with its arguments: opt-in, as there can be millions a second."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from sysmon.bpf.columns import ERROR, LATENCY_NS, PID, RESULT, START, TID, TS
from sysmon.bpf.kind import Col, Kind, Ring
from sysmon.bpf.kinds.calls import FILE_OPS, OPENS
from sysmon.bpf.kinds.syscalls import ABI, NR
from sysmon.bpf.kinds.syscalls import SYSCALL as NAME
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
    ),
    source=Ring((64 * MIB, 16 * MIB, 2 * MIB)),
    opt_in=True,
)

KINDS = (SYSCALL,)

KEEP_EXEC, KEEP_EXIT = 1, 2


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

    def raw(self, *, wanted: bool) -> bytes:
        """The bytes of the struct."""
        return bytes((int(wanted), *astuple(self)[1:]))


_FIRST = """
access chdir chroot statfs stat lstat stat64 lstat64 readlink utime utimes acct swapon swapoff umount umount2
memfd_create getxattr setxattr listxattr removexattr lgetxattr lsetxattr llistxattr lremovexattr chown32 lchown32
truncate64 statfs64 mq_open mq_unlink fsopen delete_module
""".split()
_SECOND = """
newfstatat fstatat64 statx faccessat faccessat2 readlinkat utimensat utimensat_time64 futimesat name_to_handle_at
inotify_add_watch open_tree fspick
""".split()

CALLS: dict[str, EventCall] = {
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
"""Calls of which more than the registers is read. Those that a machine's table lacks are left out."""
