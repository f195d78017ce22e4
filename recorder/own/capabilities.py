"""This thread's capabilities (capabilities(7)): which it has, and how they are dropped.

Capabilities belong to a thread: each call here that changes them affects the calling thread, and threads that it starts
later.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

CAPABILITIES = {
    "CAP_DAC_OVERRIDE": 1,
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_FOWNER": 3,
    "CAP_KILL": 5,
    "CAP_SETGID": 6,
    "CAP_SETUID": 7,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_NICE": 23,
    "CAP_SYS_RESOURCE": 24,
    "CAP_SYSLOG": 34,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}
"""Bits of capabilities(7)."""

_VERSION_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: two words of each set
_SET_PDEATHSIG, SET_KEEPCAPS, _CAPBSET_DROP, _SET_NO_NEW_PRIVS, _CAP_AMBIENT = 1, 8, 24, 38, 47  # uapi/linux/prctl.h
_AMBIENT_CLEAR_ALL = 4

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Words(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def _checked(result: int) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def prctl(option: int, argument: int) -> None:
    """Raises OSError."""
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(option, ctypes.c_ulong(argument), zero, zero, zero))


def held(line: str) -> int:
    """One of this thread's capability sets, as bits: the line of /proc/thread-self/status that starts with `line`."""
    with open("/proc/thread-self/status") as status:
        return next(int(words.split()[1], 16) for words in status if words.startswith(line))


def _capset(effective: int, permitted: int, inheritable: int = 0) -> None:
    """Removing a capability from the inheritable set also removes it from the ambient set."""
    sets = (effective, permitted, inheritable)
    words = (_Words * 2)(*(_Words(*(bits >> shift & 0xFFFFFFFF for bits in sets)) for shift in (0, 32)))
    _checked(_libc.capset(ctypes.byref(_Header(_VERSION_3, 0)), words))


def _bits(names: frozenset[str]) -> int:
    return sum(1 << CAPABILITIES[name] for name in names)


def effective() -> frozenset[str]:
    """Which of CAPABILITIES this thread has."""
    bits = held("CapEff:")
    return frozenset(name for name, bit in CAPABILITIES.items() if bits >> bit & 1)


def limit(kept: frozenset[str]) -> None:
    """Keeps this thread from gaining capabilities other than these by executing a program, even as root."""
    with contextlib.suppress(OSError):  # without CAP_SETPCAP; EINVAL after the last capability that this kernel has
        for bit in range(64):
            if not _bits(kept) >> bit & 1:
                prctl(_CAPBSET_DROP, bit)
    with contextlib.suppress(OSError):  # before 4.3
        prctl(_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)


def reduce(kept: frozenset[str]) -> None:
    """Drops all of this thread's capabilities except these, for good."""
    limit(kept)
    bits = _bits(kept) & held("CapPrm:")
    _capset(bits, bits)
    prctl(_SET_NO_NEW_PRIVS, 1)


@contextlib.contextmanager
def without(names: tuple[str, ...]) -> Iterator[None]:
    """Context in which this thread does not use these capabilities."""
    before, permitted, inheritable = (held(f"Cap{which}:") for which in ("Eff", "Prm", "Inh"))
    _capset(before & ~_bits(frozenset(names)), permitted, inheritable)
    try:
        yield
    finally:
        _capset(before, permitted, inheritable)


def end_with_parent(number: int = signal.SIGKILL) -> None:
    """Has the kernel send this process a signal when the thread that forked it ends. Call it after `reduce`, which
    resets it.
    """
    prctl(_SET_PDEATHSIG, number)


def for_compiler() -> None:
    """Drops what root's compiler child does not need, before it executes the compiler."""
    # bcc also creates the maps. The code may be in a directory that does not belong to root.
    reduce(frozenset({"CAP_BPF", "CAP_DAC_READ_SEARCH", "CAP_SYS_RESOURCE"}))


def in_thread(kept: frozenset[str], work: Callable[[], Any]) -> None:
    """Does work that starts threads, such as importing numpy and pyarrow, so that they have only these capabilities."""
    with futures.ThreadPoolExecutor(1, initializer=reduce, initargs=(kept,)) as pool:
        pool.submit(work).result()
