"""A recorded system call as strace writes it: `openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3 <0.000012>`.

A call that `forms.py` does not know shows its six argument registers in hexadecimal. Memory is shown by its address, as
only paths and socket addresses are recorded of its content.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sysmon.analyze.strace import abi, values
from sysmon.analyze.strace.forms import forms
from sysmon.bpf.kinds.calls import FILE_OPS
from sysmon.bpf.kinds.syscall_events import FD_RESULT, FDS
from sysmon.safe_text import shown


@dataclass(frozen=True, slots=True)
class Call:
    """The columns of a row of kind `syscall` that its text is made from. None is NULL."""

    syscall: str | None
    abi: str | None
    args: tuple[int | None, ...]
    string1: str | None = None
    string2: str | None = None
    sockaddr: bytes | None = None
    result: int | None = None
    error: str | None = None
    latency_ns: int | None = None
    objects: tuple[str | None, ...] = (None, None)


RETURNS_ADDRESS = frozenset(("mmap", "mmap2", "mremap", "brk", "shmat"))

RETURNS_FLAGS = frozenset(n for n, name in abi.FCNTL.items() if name in ("F_GETFD", "F_GETFL"))


def _argument(form: str, position: int, call: Call) -> str | None:
    """The text of an argument; None if the call does not use it."""
    value = call.args[position]
    if value is None:
        return "?"
    before = call.args[position - 1]
    match form:
        case "path1" | "path2":
            text = call.string1 if form == "path1" else call.string2
            return values.address(value) if text is None else values.quoted(text)
        case "sockaddr":
            return values.address(value) if call.sockaddr is None else values.address_text(call.sockaddr)
        case "open":
            return values.open_flags(value, abi.open_flags(call.abi))
        case "open_bits":
            return values.flags(value & 0xFFFF_FFFF, abi.open_flags(call.abi))
        case "mode_of_2" | "mode_of_3":
            return values.mode(before, value)
        case "fcntl_argument":
            return values.fcntl_argument(before, value, abi.open_flags(call.abi))
        case "futex_argument":
            return values.futex_argument(call.args[1], value)
        case "protocol":
            internet = values.choice(values.s32(call.args[0] or 0), abi.FAMILIES) in ("AF_INET", "AF_INET6")
            return values.choice(values.s32(value), abi.PROTOCOLS if internet else {})
        case "address_if_fixed":
            return values.address(value) if before is not None and before & 2 else None
    return values.FORMATS[form](value)


@lru_cache(maxsize=1024)  # a program repeats most of its calls, nine of ten in the sample of a web server
def arguments(call: Call) -> str:
    """The text between the parentheses."""
    words = forms(call.syscall)
    if words is None:
        return "?" if None in call.args else ", ".join(f"{value:#x}" for value in call.args)
    if words and call.args[0] is None:
        return "?"
    named = _named(call)
    parts = (_argument(form, i, call) for i, form in enumerate(words))
    return ", ".join(f"{part}{named.get(i, '')}" for i, part in enumerate(parts) if part is not None)


def _named(call: Call) -> dict[int, str]:
    """What the descriptors are, as strace -y shows it, by position from 0; of the result at FD_RESULT - 1."""
    return {
        position - 1: f"<{shown(name)}>"
        for position, name in zip(FDS.get(call.syscall or "", (0, 0)), call.objects, strict=True)
        if position and name is not None
    }


@lru_cache(maxsize=1024)
def event_flags(kind: str, syscall: str | None, table: str | None, value: int) -> str | None:
    """The column `flags` of an event of this kind as text; None if its flags are not known.

    `table` is the table of system calls.
    """
    if kind == "open":
        more = value & ~0xFFFF_FFFF if syscall == "openat2" else 0  # the others take an int
        return values.open_flags(value, abi.open_flags(table)) + (f"|{more:#x}" if more else "")
    if kind == "socket":
        return values.flags(value, abi.SOCKET_FLAGS)
    position = FILE_OPS[syscall].flags if syscall in FILE_OPS else 0
    words = forms(syscall)
    return values.FORMATS[words[position - 1]](value) if words and position else None


def result(call: Call) -> str:
    """The text after the equals sign: `?` for a call that never returned or that the kernel restarts."""
    if call.result is None:
        return "?"
    if call.error is not None:
        return f"? {shown(call.error)}" if call.error.startswith("ERESTART") else f"-1 {shown(call.error)}"
    if call.syscall == "umask":
        return values.octal(call.result)
    if FD_RESULT - 1 in (named := _named(call)):
        return f"{call.result}{named[FD_RESULT - 1]}"
    hexadecimal = call.syscall in RETURNS_ADDRESS or (call.syscall == "fcntl" and call.args[1] in RETURNS_FLAGS)
    return f"{call.result & (1 << 64) - 1:#x}" if hexadecimal and call.result else str(call.result)


def line(call: Call) -> str:
    """The whole call."""
    took = "" if call.latency_ns is None else f" <{call.latency_ns / 1e9:.9f}>"
    return f"{shown(call.syscall or 'unknown')}({arguments(call)}) = {result(call)}{took}"
