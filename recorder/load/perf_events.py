"""Perf events of a CPU's clock, through perf_event_open(2): opening one, and giving it a program."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import struct

NR_PERF_EVENT_OPEN = {
    "x86_64": 298, "aarch64": 241, "riscv64": 241, "loongarch64": 241, "s390x": 331, "ppc64le": 319,
}  # fmt: skip

TYPE_SOFTWARE, SW_CPU_CLOCK = 1, 0
DISABLED, EXCLUDE_IDLE = 1 << 0, 1 << 7
FD_CLOEXEC = 8
IOC_ENABLE, IOC_SET_BPF = 0x2400, 0x40042408

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _Attr(ctypes.Structure):
    """struct perf_event_attr as of its first version, which every kernel takes (include/uapi/linux/perf_event.h)."""

    _fields_ = [
        ("type", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("config", ctypes.c_uint64),
        ("sample_period", ctypes.c_uint64),
        ("sample_type", ctypes.c_uint64),
        ("read_format", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
        ("wakeup_events", ctypes.c_uint32),
        ("bp_type", ctypes.c_uint32),
        ("config1", ctypes.c_uint64),
    ]


def open_clock(cpu: int, period_ns: int) -> int:
    """An event each `period_ns` of that CPU's clock while it is not idle, not enabled yet. Raises OSError."""
    attr = _Attr(
        type=TYPE_SOFTWARE,
        size=ctypes.sizeof(_Attr),
        config=SW_CPU_CLOCK,
        sample_period=period_ns,
        flags=DISABLED | EXCLUDE_IDLE,
    )
    number = NR_PERF_EVENT_OPEN.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    every_process, no_group = ctypes.c_long(-1), ctypes.c_long(-1)
    fd = _libc.syscall(
        ctypes.c_long(number),
        ctypes.byref(attr),
        every_process,
        ctypes.c_long(cpu),
        no_group,
        ctypes.c_long(FD_CLOEXEC),
    )
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(fd)


def run_program(event: int, program: int) -> None:
    """Runs the program at each event, from now on and until the event is closed. Raises OSError."""
    fcntl.ioctl(event, IOC_SET_BPF, program)
    fcntl.ioctl(event, IOC_ENABLE, 0)


def elapsed_ns(event: int) -> int:
    """Time that the event has run. It stops for good when its CPU goes offline. Raises OSError."""
    (ns,) = struct.unpack("=Q", os.read(event, 8))
    return int(ns)
