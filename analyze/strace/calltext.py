"""A recorded system call as text, in the way of strace: `openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3 <0.000012>`.

What a call's arguments are stands in `FORMS`, a word for each; a call that is not there shows six raw words. Memory is
shown by its address: of what is in it only paths and socket addresses are recorded.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from sysmon.analyze.strace import abi
from sysmon.bpf.kinds.calls import FILE_OPS
from sysmon.safe_text import shown


@dataclass(frozen=True, slots=True)
class Call:
    """The columns of a row of kind `syscall` that its text needs. None is NULL."""

    syscall: str | None
    abi: str | None
    args: tuple[int | None, ...]
    string1: str | None = None
    string2: str | None = None
    sockaddr: bytes | None = None
    result: int | None = None
    error: str | None = None
    latency_ns: int | None = None


FORMS = {
    "read": "fd address size",
    "write": "fd address size",
    "pread64": "fd address size offset",
    "pwrite64": "fd address size offset",
    "readv": "fd address size",
    "writev": "fd address size",
    "preadv": "fd address size offset",
    "pwritev": "fd address size offset",
    "open": "path1 open mode_of_2",
    "openat": "dirfd path1 open mode_of_3",
    "openat2": "dirfd path1 address size",
    "creat": "path1 octal",
    "close": "fd",
    "close_range": "unsigned unsigned hex",
    "stat": "path1 address",
    "lstat": "path1 address",
    "fstat": "fd address",
    "newfstatat": "dirfd path1 address at",
    "statx": "dirfd path1 at statx address",
    "statfs": "path1 address",
    "fstatfs": "fd address",
    "access": "path1 access",
    "faccessat": "dirfd path1 access",
    "faccessat2": "dirfd path1 access access_at",
    "readlink": "path1 address size",
    "readlinkat": "dirfd path1 address size",
    "getcwd": "path1 size",
    "chdir": "path1",
    "fchdir": "fd",
    "chroot": "path1",
    "mkdir": "path1 octal",
    "mkdirat": "dirfd path1 octal",
    "rmdir": "path1",
    "unlink": "path1",
    "unlinkat": "dirfd path1 at",
    "rename": "path1 path2",
    "renameat": "dirfd path1 dirfd path2",
    "renameat2": "dirfd path1 dirfd path2 rename",
    "link": "path1 path2",
    "linkat": "dirfd path1 dirfd path2 at",
    "symlink": "path1 path2",
    "symlinkat": "path1 dirfd path2",
    "chmod": "path1 octal",
    "fchmod": "fd octal",
    "fchmodat": "dirfd path1 octal",
    "chown": "path1 int int",
    "lchown": "path1 int int",
    "fchown": "fd int int",
    "fchmodat2": "dirfd path1 octal at",
    "fchownat": "dirfd path1 int int at",
    "utimensat": "dirfd path1 address at",
    "truncate": "path1 offset",
    "ftruncate": "fd offset",
    "fallocate": "fd hex offset offset",
    "lseek": "fd offset whence",
    "getdents64": "fd address size",
    "fsync": "fd",
    "fdatasync": "fd",
    "flock": "fd lock",
    "fcntl": "fd fcntl fcntl_argument",
    "ioctl": "fd hex address",
    "dup": "fd",
    "dup2": "fd fd",
    "dup3": "fd fd open_bits",
    "pipe": "address",
    "pipe2": "address open_bits",
    "sendfile": "fd fd address size",
    "copy_file_range": "fd address fd address size hex",
    "splice": "fd address fd address size splice",
    "memfd_create": "path1 memfd",
    "mmap": "address size protection map fd hex_offset",
    "munmap": "address size",
    "mprotect": "address size protection",
    "mremap": "address size size remap address_if_fixed",
    "madvise": "address size advice",
    "brk": "address",
    "msync": "address size hex",
    "execve": "path1 address address",
    "execveat": "dirfd path1 address address at",
    "exit": "int",
    "exit_group": "int",
    "wait4": "int address wait address",
    "waitid": "int int address wait address",
    "clone": "clone address address address address",
    "clone3": "address size",
    "fork": "",
    "vfork": "",
    "kill": "int signal",
    "tkill": "int signal",
    "tgkill": "int int signal",
    "rt_sigaction": "signal address address size",
    "rt_sigprocmask": "how address address size",
    "rt_sigreturn": "",
    "sigaltstack": "address address",
    "pause": "",
    "futex": "address futex unsigned futex_argument",
    "set_robust_list": "address size",
    "set_tid_address": "address",
    "rseq": "address size hex hex",
    "sched_yield": "",
    "sched_getaffinity": "int size address",
    "poll": "address unsigned int",
    "ppoll": "address unsigned address address size",
    "select": "int address address address address",
    "pselect6": "int address address address address address",
    "epoll_create1": "epoll_flags",
    "epoll_ctl": "fd epoll fd address",
    "epoll_wait": "fd address int int",
    "epoll_pwait": "fd address int int address size",
    "eventfd2": "unsigned eventfd",
    "socket": "family socket_type protocol",
    "socketpair": "family socket_type protocol address",
    "connect": "fd sockaddr int",
    "bind": "fd sockaddr int",
    "listen": "fd int",
    "accept": "fd sockaddr address",
    "accept4": "fd sockaddr address socket_flags",
    "getsockname": "fd sockaddr address",
    "getpeername": "fd sockaddr address",
    "sendto": "fd address size message sockaddr int",
    "recvfrom": "fd address size message sockaddr address",
    "sendmsg": "fd address message",
    "recvmsg": "fd address message",
    "shutdown": "fd shutdown",
    "setsockopt": "fd level int address int",
    "getsockopt": "fd level int address address",
    "nanosleep": "address address",
    "clock_nanosleep": "clock timer address address",
    "clock_gettime": "clock address",
    "gettimeofday": "address address",
    "getrandom": "address size random",
    "getrlimit": "resource address",
    "setrlimit": "resource address",
    "prlimit64": "int resource address address",
    "getrusage": "rusage address",
    "arch_prctl": "arch_prctl address",
    "prctl": "int hex hex hex hex",
    "uname": "address",
    "sysinfo": "address",
    "umask": "octal",
    "getpid": "",
    "getppid": "",
    "gettid": "",
    "getuid": "",
    "geteuid": "",
    "getgid": "",
    "getegid": "",
    "getpgrp": "",
    "setsid": "",
    "getpgid": "int",
    "setpgid": "int int",
    "getsid": "int",
    "getgroups": "int address",
    "inotify_add_watch": "fd path1 hex",
}
"""What each argument of a call is: names of `FORMATS`."""

SAME = {
    "stat64": "stat", "lstat64": "lstat", "fstat64": "fstat", "fstatat64": "newfstatat", "fcntl64": "fcntl",
    "ugetrlimit": "getrlimit",
}  # fmt: skip
"""Calls of 32-bit tables that take what another one does."""

RETURNS_ADDRESS = frozenset(("mmap", "mmap2", "mremap", "brk", "shmat"))

RETURNS_FLAGS = frozenset(n for n, name in abi.FCNTL.items() if name in ("F_GETFD", "F_GETFL"))


def flags(value: int, table: abi.Table, zero: str = "0") -> str:
    """The names of the bits that are set, and what is left in hexadecimal."""
    names = []
    for bits, name in table.items():
        if value & bits == bits:
            names.append(name)
            value &= ~bits
    if value:
        names.append(f"{value:#x}")
    return "|".join(names) or zero


def choice(value: int, table: abi.Table) -> str:
    """The name of a number."""
    return table.get(value, str(value) if -4096 < value < 4096 else f"{value & (1 << 64) - 1:#x}")


def _s32(value: int) -> int:
    value &= 0xFFFF_FFFF
    return value - (1 << 32) if value >> 31 else value


def _s64(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _address(value: int) -> str:
    return f"{value:#x}" if value else "NULL"


def _octal(value: int) -> str:
    return f"0{value & 0xFFFF:o}".zfill(3)


def _dirfd(value: int) -> str:
    return "AT_FDCWD" if _s32(value) == abi.AT_FDCWD else str(_s32(value))


def quoted(text: str) -> str:
    """Text in double quotes, in one line, with nothing that acts on a terminal."""
    for letter, escaped in (('"', '\\"'), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r")):
        text = text.replace(letter, escaped)
    return f'"{shown(text)}"'


def _open(value: int, table: abi.Table) -> str:
    value &= 0xFFFF_FFFF
    mode = abi.OPEN_MODES[value & abi.O_ACCMODE]
    rest = flags(value & ~abi.O_ACCMODE, table, "")
    return f"{mode}|{rest}" if rest else mode


def _mode(open_flags: int | None, value: int) -> str | None:
    made = open_flags is not None and open_flags & (abi.O_CREAT | abi.O_TMPFILE)
    return _octal(value) if made else None


def _map(value: int) -> str:
    rest = flags(value & 0xFFFF_FFF0, abi.MAP_FLAGS, "")
    kind = choice(value & 0xF, abi.MAP_TYPES)
    return f"{kind}|{rest}" if rest else kind


def _socket_type(value: int) -> str:
    kind = choice(value & 0xF, abi.SOCKET_TYPES)
    rest = flags(value & 0xFFFF_FFF0, abi.SOCKET_FLAGS, "")
    return f"{kind}|{rest}" if rest else kind


def _clone(value: int) -> str:
    rest = flags(value & 0xFFFF_FF00, abi.CLONE_FLAGS, "")
    signal = choice(value & 0xFF, abi.SIGNALS) if value & 0xFF else ""
    return "|".join(filter(None, (rest, signal))) or "0"


def _futex(value: int) -> str:
    value &= 0xFFFF_FFFF
    name = choice(value & ~(abi.FUTEX_PRIVATE | abi.FUTEX_REALTIME), abi.FUTEX_OPS)
    name += "_PRIVATE" if value & abi.FUTEX_PRIVATE else ""
    return f"{name}|FUTEX_CLOCK_REALTIME" if value & abi.FUTEX_REALTIME else name


def _futex_argument(operation: int | None, value: int) -> str | None:
    waits = operation is not None and operation & 0x7F in (0, 6, 9, 11, 13)
    return _address(value) if waits else None


def _fcntl_argument(command: int | None, value: int, table: abi.Table) -> str | None:
    name = abi.FCNTL.get(-1 if command is None else _s32(command), "")
    if name in ("F_GETFD", "F_GETFL", "F_GETOWN", "F_GETSIG", "F_GETLEASE", "F_GETPIPE_SZ", "F_GET_SEALS"):
        return None
    if name == "F_SETFD":
        return flags(value, abi.FD_FLAGS)
    if name == "F_SETFL":
        return _open(value, table)
    return _address(value) if "LK" in name or not name else str(_s32(value))


def address_text(raw: bytes) -> str:
    """A struct sockaddr."""
    if len(raw) < 2:
        return "{}" if not raw else f"{{0x{raw.hex()}}}"
    family = struct.unpack_from("<H", raw)[0]
    name = abi.FAMILIES.get(family, str(family))
    if name == "AF_UNIX":
        path = raw[2:]
        if path.startswith(b"\0"):
            return f"{{sa_family=AF_UNIX, sun_path=@{quoted(_text(path[1:]))}}}"
        return f"{{sa_family=AF_UNIX, sun_path={quoted(_text(path.split(bytes(1))[0]))}}}"
    if name == "AF_INET" and len(raw) >= 8:
        port, host = struct.unpack_from(">H", raw, 2)[0], socket.inet_ntop(socket.AF_INET, raw[4:8])
        return f'{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr("{host}")}}'
    if name == "AF_INET6" and len(raw) >= 24:
        port, flow = struct.unpack_from(">HI", raw, 2)
        host = socket.inet_ntop(socket.AF_INET6, raw[8:24])
        scope = struct.unpack_from("<I", raw, 24)[0] if len(raw) >= 28 else 0
        return (
            f"{{sa_family=AF_INET6, sin6_port=htons({port}), sin6_flowinfo=htonl({flow}), "
            f'inet_pton(AF_INET6, "{host}", &sin6_addr), sin6_scope_id={scope}}}'
        )
    if name == "AF_NETLINK" and len(raw) >= 12:
        pid, groups = struct.unpack_from("<II", raw, 4)
        return f"{{sa_family=AF_NETLINK, nl_pid={pid}, nl_groups={groups:#010x}}}"
    rest = f", sa_data=0x{raw[2:].hex()}" if raw[2:] else ""
    return f"{{sa_family={name}{rest}}}"


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _of_flags(table: abi.Table, zero: str = "0") -> Callable[[int], str]:
    return lambda value: flags(value & 0xFFFF_FFFF, table, zero)


def _of_choice(table: abi.Table) -> Callable[[int], str]:
    return lambda value: choice(_s32(value), table)


FORMATS: dict[str, Callable[[int], str]] = {
    "fd": lambda v: str(_s32(v)),
    "int": lambda v: str(_s32(v)),
    "unsigned": lambda v: str(v & 0xFFFF_FFFF),
    "size": str,
    "offset": lambda v: str(_s64(v)),
    "hex_offset": lambda v: f"{v:#x}" if v else "0",
    "hex": lambda v: f"{v:#x}" if v else "0",
    "octal": _octal,
    "address": _address,
    "dirfd": _dirfd,
    "at": _of_flags(abi.AT_FLAGS),
    "access_at": _of_flags(abi.ACCESS_AT_FLAGS),
    "access": _of_flags(abi.ACCESS_MODES, "F_OK"),
    "rename": _of_flags(abi.RENAME_FLAGS),
    "statx": _of_flags(abi.STATX_MASK),
    "whence": _of_choice(abi.WHENCE),
    "protection": _of_flags(abi.PROTECTION, "PROT_NONE"),
    "map": _map,
    "remap": _of_flags(abi.REMAP_FLAGS),
    "advice": _of_choice(abi.ADVICE),
    "signal": _of_choice(abi.SIGNALS),
    "how": _of_choice(abi.HOW),
    "wait": _of_flags(abi.WAIT_FLAGS),
    "clone": _clone,
    "futex": _futex,
    "epoll": _of_choice(abi.EPOLL_OPS),
    "epoll_flags": _of_flags(abi.EPOLL_FLAGS),
    "eventfd": _of_flags(abi.EVENTFD_FLAGS),
    "fcntl": _of_choice(abi.FCNTL),
    "lock": _of_flags(abi.LOCK),
    "family": _of_choice(abi.FAMILIES),
    "socket_type": _socket_type,
    "socket_flags": _of_flags(abi.SOCKET_FLAGS),
    "message": _of_flags(abi.MESSAGE_FLAGS),
    "shutdown": _of_choice(abi.SHUTDOWN),
    "level": _of_choice(abi.LEVELS),
    "clock": _of_choice(abi.CLOCKS),
    "timer": _of_flags(abi.TIMER_FLAGS),
    "resource": _of_choice(abi.RESOURCES),
    "random": _of_flags(abi.RANDOM_FLAGS),
    "rusage": _of_choice(abi.RUSAGE),
    "arch_prctl": _of_choice(abi.ARCH_PRCTL),
    "splice": _of_flags(abi.SPLICE_FLAGS),
    "memfd": _of_flags(abi.MEMFD_FLAGS),
}
"""How an argument is shown by its value alone; `_argument` has those that need more."""


def _argument(form: str, position: int, call: Call) -> str | None:
    """The text of an argument; None: the call does not use it."""
    value = call.args[position]
    if value is None:
        return "?"
    before = call.args[position - 1]
    match form:
        case "path1" | "path2":
            text = call.string1 if form == "path1" else call.string2
            return _address(value) if text is None else quoted(text)
        case "sockaddr":
            return _address(value) if call.sockaddr is None else address_text(call.sockaddr)
        case "open":
            return _open(value, abi.open_flags(call.abi))
        case "open_bits":
            return flags(value & 0xFFFF_FFFF, abi.open_flags(call.abi))
        case "mode_of_2" | "mode_of_3":
            return _mode(before, value)
        case "fcntl_argument":
            return _fcntl_argument(before, value, abi.open_flags(call.abi))
        case "futex_argument":
            return _futex_argument(call.args[1], value)
        case "protocol":
            internet = choice(_s32(call.args[0] or 0), abi.FAMILIES) in ("AF_INET", "AF_INET6")
            return choice(_s32(value), abi.PROTOCOLS if internet else {})
        case "address_if_fixed":
            return _address(value) if before is not None and before & 2 else None
    return FORMATS[form](value)


@lru_cache(maxsize=1024)
def _forms(syscall: str | None) -> tuple[str, ...] | None:
    form = FORMS.get(SAME.get(syscall or "", syscall or ""))
    return None if form is None else tuple(form.split())


def arguments(call: Call) -> str:
    """What stands between the parentheses."""
    forms = _forms(call.syscall)
    if forms is None:
        return "?" if None in call.args else ", ".join(f"{value:#x}" for value in call.args)
    if forms and call.args[0] is None:
        return "?"
    parts = (_argument(form, i, call) for i, form in enumerate(forms))
    return ", ".join(part for part in parts if part is not None)


@lru_cache(maxsize=1024)
def event_flags(kind: str, syscall: str | None, table: str | None, value: int) -> str | None:
    """The column `flags` of an event of this kind in words; None if that is not known.

    `table` is the table of system calls.
    """
    if kind == "open":
        more = value & ~0xFFFF_FFFF if syscall == "openat2" else 0  # the others take an int
        return _open(value, abi.open_flags(table)) + (f"|{more:#x}" if more else "")
    if kind == "socket":
        return flags(value, abi.SOCKET_FLAGS)
    position = FILE_OPS[syscall].flags if syscall in FILE_OPS else 0
    forms = _forms(syscall)
    return FORMATS[forms[position - 1]](value) if forms and position else None


def result(call: Call) -> str:
    """What stands after the equals sign: `?` for a call that never returned or that the kernel starts again."""
    if call.result is None:
        return "?"
    if call.error is not None:
        return f"? {shown(call.error)}" if call.error.startswith("ERESTART") else f"-1 {shown(call.error)}"
    if call.syscall == "umask":
        return _octal(call.result)
    hexadecimal = call.syscall in RETURNS_ADDRESS or (call.syscall == "fcntl" and call.args[1] in RETURNS_FLAGS)
    return f"{call.result & (1 << 64) - 1:#x}" if hexadecimal and call.result else str(call.result)


def line(call: Call) -> str:
    """The whole call."""
    took = "" if call.latency_ns is None else f" <{call.latency_ns / 1e9:.9f}>"
    return f"{shown(call.syscall or 'unknown')}({arguments(call)}) = {result(call)}{took}"
