"""Which system calls are more than counted: those that become events of their own, and those that move bytes.

Declared by name; the recorder puts them, by the numbers that this machine's table has for them, where the programs look
(`struct shape` of calls.bpf.h). A call that a machine does not have is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

NUMBERS = 512
"""Native system call numbers are below this."""

OPEN, FILE_OP, SOCKET, MESSAGE_CALL = 1, 2, 3, 4
"""Entries of the programs' map `hooks`."""

HOOKS = 5

FORMS = {
    "TARGET": 1,
    "CREAT": 2,
    "OPENAT2": 3,  # of a call on files: the text of a link; flags of its own; in a struct
    "SOCKET": 1,
    "CONNECT": 2,
    "BIND": 3,
    "ACCEPT": 4,
    "LISTEN": 5,
    "SHUTDOWN": 6,  # of a call on a socket
    "SENDTO": 7,
    "RECVFROM": 8,
    "SENDMSG": 9,
    "RECVMSG": 10,
    "SENDMMSG": 11,
    "RECVMMSG": 12,  # of a message
}
"""Forms that C must know, as FORM_…: of messages, where the address stands and the flags."""

MOVES = {"RESULT": 1, "RECEIVED": 2, "MESSAGE": 3, "MESSAGES": 4}
"""How many bytes a call moved: its result; that of a recvfrom or of a recvmsg, which may say what it left or what it
did not take; the lengths in its vector of messages. MOVES_… in C."""


@dataclass(frozen=True)
class Shape:
    """What a call is. Arguments are given by position, from 1; 0: it has none such."""

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


RECEIVES = {
    "recvfrom": Shape(MESSAGE_CALL, moves_bytes=MOVES["RECEIVED"], form=FORMS["RECVFROM"], fd=1, flags=4, size=3),
    "recvmsg": Shape(MESSAGE_CALL, moves_bytes=MOVES["MESSAGE"], form=FORMS["RECVMSG"], fd=1, flags=3, path=2),
    "recvmmsg": Shape(MESSAGE_CALL, moves_bytes=MOVES["MESSAGES"], form=FORMS["RECVMMSG"], fd=1, flags=4, path=2),
}
"""Calls that may only have looked (MSG_PEEK), or say how long a message was of which less came in (MSG_TRUNC). `path`
is where the message stands."""

READS = ("read", "pread64", "readv", "preadv", "preadv2", "mq_timedreceive", "msgrcv", *RECEIVES)
"""Calls that say how many bytes came in."""

SENDS = {
    "sendto": Shape(MESSAGE_CALL, moves_bytes=MOVES["RESULT"], form=FORMS["SENDTO"], fd=1),
    "sendmsg": Shape(MESSAGE_CALL, moves_bytes=MOVES["RESULT"], form=FORMS["SENDMSG"], fd=1, path=2),
    "sendmmsg": Shape(MESSAGE_CALL, moves_bytes=MOVES["MESSAGES"], form=FORMS["SENDMMSG"], fd=1, path=2),
}
"""Their flags are none of those that say what a receiving call did."""

WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2", *SENDS)
"""Calls that say how many bytes went out."""

COPIES = ("sendfile", "copy_file_range", "splice", "tee", "vmsplice", "process_vm_readv", "process_vm_writev")
"""Calls whose result is the number of bytes that went from one descriptor, or memory, to another."""

MOVING_BYTES = frozenset((*READS, *WRITES, *COPIES))

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
"""The text of a symbolic link is no path to follow: of the form TARGET."""

SOCKETS = {
    "socket": Shape(SOCKET, form=FORMS["SOCKET"]),
    "connect": Shape(SOCKET, form=FORMS["CONNECT"], fd=1),
    "bind": Shape(SOCKET, form=FORMS["BIND"], fd=1),
    "accept": Shape(SOCKET, form=FORMS["ACCEPT"], fd=1),
    "accept4": Shape(SOCKET, form=FORMS["ACCEPT"], fd=1, flags=4),
    "listen": Shape(SOCKET, form=FORMS["LISTEN"], fd=1),
    "shutdown": Shape(SOCKET, form=FORMS["SHUTDOWN"], fd=1),
}
SHAPES = {
    **{name: Shape(moves_bytes=MOVES["RESULT"]) for name in MOVING_BYTES},
    **RECEIVES, **SENDS, **OPENS, **FILE_OPS, **SOCKETS,
}  # fmt: skip
