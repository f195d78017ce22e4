"""System calls that are more than counted: those that also produce events, and those that move bytes.

Declared by name. The recorder fills the programs' map (`struct shape` of calls.bpf.h) by this machine's call numbers;
calls that the machine does not have are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sysmon.bpf.kinds import waits

NUMBERS = 512
"""Upper bound of native system call numbers."""

OPEN, FILE_OP, SOCKET, MESSAGE_CALL, OBJECT_CALL, NAME_CALL, EVENT_CALL, IDENTIFY_CALL, POLL_CALL, POLLED_CALL = range(
    1, 11
)
"""Entries of the programs' map `hooks`."""

HOOKS = 11

FORMS = {
    "TARGET": 1,
    "CREAT": 2,
    "OPENAT2": 3,  # file calls: a symlink's text; special flags; arguments in a struct
    "SOCKET": 1,
    "CONNECT": 2,
    "BIND": 3,
    "ACCEPT": 4,
    "LISTEN": 5,
    "SHUTDOWN": 6,  # socket calls
    "SENDTO": 7,
    "RECVFROM": 8,
    "SENDMSG": 9,
    "RECVMSG": 10,
    "SENDMMSG": 11,
    "RECVMMSG": 12,  # message calls
    "POLL": 1,
    "EPOLL": 2,
    "EPOLL_CTL": 3,  # calls that poll
    "FUTEX": 2,
    "FUTEX_WAKE": 4,  # calls that wait for a futex, or wake who waits
}
"""Argument layouts that C must know, FORM_… there: for messages, where the address and the flags are."""

MOVES = {"RESULT": 1, "RECEIVED": 2, "MESSAGE": 3, "MESSAGES": 4}
"""How to compute the bytes that a call moved: its result; the result of a recvfrom or recvmsg, corrected for peeked or
truncated messages; the lengths in its vector of messages. MOVES_… in C.
"""


@dataclass(frozen=True)
class Shape:
    """What a call is. Arguments are positions counted from 1; 0: the call has no such argument."""

    hook: int = 0
    moves_bytes: int = 0
    form: int = 0
    fd: int = 0
    path: int = 0
    fd2: int = 0
    path2: int = 0
    flags: int = 0
    mode: int = 0
    owner: int = 0
    group: int = 0
    size: int = 0
    waits_for: int = 0  # while it sleeps: the number of one of `waits.REASONS`, or BY_DESCRIPTOR
    awaits: int = 0  # what its first argument says of the object: one of `waits.AWAITS`
    reads: int = 0  # the descriptor that it reads from
    writes: int = 0  # the descriptor that it writes to or, if it moves no bytes, waits for to be written


RECEIVES = {
    "recvfrom": Shape(MESSAGE_CALL, moves_bytes=MOVES["RECEIVED"], form=FORMS["RECVFROM"], fd=1, flags=4, size=3),
    "recvmsg": Shape(MESSAGE_CALL, moves_bytes=MOVES["MESSAGE"], form=FORMS["RECVMSG"], fd=1, flags=3, path=2),
    "recvmmsg": Shape(MESSAGE_CALL, moves_bytes=MOVES["MESSAGES"], form=FORMS["RECVMMSG"], fd=1, flags=4, path=2),
}
"""Calls that may only peek (MSG_PEEK), or return the full length of a truncated message (MSG_TRUNC). `path` is the
position of the message.
"""

READS = ("read", "pread64", "readv", "preadv", "preadv2", "mq_timedreceive", "msgrcv", *RECEIVES)
"""Calls that return how many bytes they read."""

SENDS = {
    "sendto": Shape(MESSAGE_CALL, moves_bytes=MOVES["RESULT"], form=FORMS["SENDTO"], fd=1),
    "sendmsg": Shape(MESSAGE_CALL, moves_bytes=MOVES["RESULT"], form=FORMS["SENDMSG"], fd=1, path=2),
    "sendmmsg": Shape(MESSAGE_CALL, moves_bytes=MOVES["MESSAGES"], form=FORMS["SENDMMSG"], fd=1, path=2),
}
"""Calls whose flags have nothing to do with receiving."""

WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2", *SENDS)
"""Calls that return how many bytes they wrote."""

COPIES = ("sendfile", "copy_file_range", "splice", "tee", "vmsplice", "process_vm_readv", "process_vm_writev")
"""Calls that return how many bytes they copied from one descriptor, or from memory, to another."""

MOVING_BYTES = frozenset((*READS, *WRITES, *COPIES))

SYNCS = ("fsync", "fdatasync", "sync_file_range", "syncfs")
"""Calls that wait until a file, or the file system that it is on, is written."""

_OF_OBJECTS = {
    **{call: {"reads": 1} for call in READS if call != "msgrcv"},
    **{call: {"writes": 1} for call in (*WRITES, *SYNCS)},
    "sendfile": {"writes": 1, "reads": 2},
    "copy_file_range": {"reads": 1, "writes": 3},
    "splice": {"reads": 1, "writes": 3},
    "tee": {"reads": 1, "writes": 2},
    "vmsplice": {"reads": 1, "writes": 1},
}
"""Calls that read or write through descriptors, and where these are. vmsplice has one, which tells the direction."""

OPENS = {
    "open": Shape(OPEN, path=1, flags=2, mode=3),
    "creat": Shape(OPEN, path=1, mode=2, form=FORMS["CREAT"]),
    "openat": Shape(OPEN, fd=1, path=2, flags=3, mode=4),
    "openat2": Shape(OPEN, fd=1, path=2, flags=3, form=FORMS["OPENAT2"]),
}

FILE_OPS = {
    "unlink": Shape(FILE_OP, path=1),
    "unlinkat": Shape(FILE_OP, fd=1, path=2, flags=3),
    "rmdir": Shape(FILE_OP, path=1),
    "mkdir": Shape(FILE_OP, path=1, mode=2),
    "mkdirat": Shape(FILE_OP, fd=1, path=2, mode=3),
    "mknod": Shape(FILE_OP, path=1, mode=2),
    "mknodat": Shape(FILE_OP, fd=1, path=2, mode=3),
    "rename": Shape(FILE_OP, path=1, path2=2),
    "renameat": Shape(FILE_OP, fd=1, path=2, fd2=3, path2=4),
    "renameat2": Shape(FILE_OP, fd=1, path=2, fd2=3, path2=4, flags=5),
    "link": Shape(FILE_OP, path=1, path2=2),
    "linkat": Shape(FILE_OP, fd=1, path=2, fd2=3, path2=4, flags=5),
    "symlink": Shape(FILE_OP, path=1, path2=2, form=FORMS["TARGET"]),
    "symlinkat": Shape(FILE_OP, path=1, fd2=2, path2=3, form=FORMS["TARGET"]),
    "truncate": Shape(FILE_OP, path=1, size=2),
    "ftruncate": Shape(FILE_OP, fd=1, size=2),
    "chmod": Shape(FILE_OP, path=1, mode=2),
    "fchmod": Shape(FILE_OP, fd=1, mode=2),
    "fchmodat": Shape(FILE_OP, fd=1, path=2, mode=3),
    "fchmodat2": Shape(FILE_OP, fd=1, path=2, mode=3, flags=4),
    "chown": Shape(FILE_OP, path=1, owner=2, group=3),
    "lchown": Shape(FILE_OP, path=1, owner=2, group=3),
    "fchown": Shape(FILE_OP, fd=1, owner=2, group=3),
    "fchownat": Shape(FILE_OP, fd=1, path=2, owner=3, group=4, flags=5),
}
"""A symlink's text is not a path to resolve: form TARGET."""

SOCKETS = {
    "socket": Shape(SOCKET, form=FORMS["SOCKET"]),
    "connect": Shape(SOCKET, form=FORMS["CONNECT"], fd=1),
    "bind": Shape(SOCKET, form=FORMS["BIND"], fd=1),
    "accept": Shape(SOCKET, form=FORMS["ACCEPT"], fd=1),
    "accept4": Shape(SOCKET, form=FORMS["ACCEPT"], fd=1, flags=4),
    "listen": Shape(SOCKET, form=FORMS["LISTEN"], fd=1),
    "shutdown": Shape(SOCKET, form=FORMS["SHUTDOWN"], fd=1),
}
POLLS = {
    **{name: Shape(POLL_CALL, form=FORMS["POLL"], size=2) for name in ("poll", "ppoll")},
    **{name: Shape(POLL_CALL, form=FORMS["EPOLL"], fd=1) for name in ("epoll_wait", "epoll_pwait", "epoll_pwait2")},
    "epoll_ctl": Shape(POLL_CALL, form=FORMS["EPOLL_CTL"], fd=1),
}
"""Calls whose set of descriptors can be read when they return; select has overwritten its own by then."""

FUTEXES = {
    "futex": Shape(form=FORMS["FUTEX"]),
    "futex_wait": Shape(form=FORMS["FUTEX_WAKE"]),
    "futex_wake": Shape(form=FORMS["FUTEX_WAKE"]),
}
"""Who wakes one that waits for a futex may have released a lock; how many it would wake tells."""

_EVENTS = {
    **{name: Shape(moves_bytes=MOVES["RESULT"]) for name in MOVING_BYTES},
    **RECEIVES, **SENDS, **OPENS, **FILE_OPS, **SOCKETS, **POLLS, **FUTEXES,
}  # fmt: skip

_WAITING = _EVENTS | {
    call: replace(_EVENTS.get(call, Shape()), waits_for=reason, awaits=waits.OBJECTS.get(call, 0))
    for call, reason in waits.CALLS.items()
}

SHAPES = _WAITING | {call: replace(_WAITING.get(call, Shape()), **where) for call, where in _OF_OBJECTS.items()}
