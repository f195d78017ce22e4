"""Values of arguments as strace writes them: numbers, flags, constants, paths and socket addresses."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from sysmon.analyze.strace import abi
from sysmon.safe_text import shown


def flags(value: int, table: abi.Table, zero: str = "0") -> str:
    """The names of the bits that are set; bits without a name in hexadecimal."""
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


def s32(value: int) -> int:
    """The low 32 bits as a signed number: an int of C."""
    value &= 0xFFFF_FFFF
    return value - (1 << 32) if value >> 31 else value


def _s64(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def address(value: int) -> str:
    """A pointer."""
    return f"{value:#x}" if value else "NULL"


def octal(value: int) -> str:
    """File permissions."""
    return f"0{value & 0xFFFF:o}".zfill(3)


def _dirfd(value: int) -> str:
    return "AT_FDCWD" if s32(value) == abi.AT_FDCWD else str(s32(value))


def quoted(text: str) -> str:
    """Text in double quotes, on one line, with nothing that acts on a terminal."""
    for letter, escaped in (('"', '\\"'), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r")):
        text = text.replace(letter, escaped)
    return f'"{shown(text)}"'


def open_flags(value: int, table: abi.Table) -> str:
    """Flags of open(2): the access mode, and the names of the others."""
    value &= 0xFFFF_FFFF
    mode = abi.OPEN_MODES[value & abi.O_ACCMODE]
    rest = flags(value & ~abi.O_ACCMODE, table, "")
    return f"{mode}|{rest}" if rest else mode


def mode(opened_with: int | None, value: int) -> str | None:
    """The mode argument of open(2); None unless its flags `opened_with` make use of it."""
    made = opened_with is not None and opened_with & (abi.O_CREAT | abi.O_TMPFILE)
    return octal(value) if made else None


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


def futex_argument(operation: int | None, value: int) -> str | None:
    """The fourth argument of futex(2), a timeout; None for operations without."""
    waits = operation is not None and operation & 0x7F in (0, 6, 9, 11, 13)
    return address(value) if waits else None


def fcntl_argument(command: int | None, value: int, table: abi.Table) -> str | None:
    """The third argument of fcntl(2); None for commands without."""
    name = abi.FCNTL.get(-1 if command is None else s32(command), "")
    if name in ("F_GETFD", "F_GETFL", "F_GETOWN", "F_GETSIG", "F_GETLEASE", "F_GETPIPE_SZ", "F_GET_SEALS"):
        return None
    if name == "F_SETFD":
        return flags(value, abi.FD_FLAGS)
    if name == "F_SETFL":
        return open_flags(value, table)
    return address(value) if "LK" in name or not name else str(s32(value))


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
    return lambda value: choice(s32(value), table)


FORMATS: dict[str, Callable[[int], str]] = {
    "fd": lambda v: str(s32(v)),
    "int": lambda v: str(s32(v)),
    "unsigned": lambda v: str(v & 0xFFFF_FFFF),
    "size": str,
    "offset": lambda v: str(_s64(v)),
    "hex_offset": lambda v: f"{v:#x}" if v else "0",
    "hex": lambda v: f"{v:#x}" if v else "0",
    "octal": octal,
    "address": address,
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
"""Formats of arguments that depend on the value alone; `calltext` has those that depend on other columns."""
