"""The bpf(2) system call.

bcc's own wrappers are not used: its batch read fails on per-CPU maps in 0.29 and 0.31, and bcc is only loaded while
programs are compiled. Commands and their structures (include/uapi/linux/bpf.h) are in `bpf_maps.py` and
`bpf_programs.py`.
"""

from __future__ import annotations

import ctypes
import os
import platform

NR_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280, "s390x": 351, "ppc64le": 361}

NAME_BYTES = 15
"""Longest name of a map or program: BPF_OBJ_NAME_LEN without the terminating zero."""

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


def bpf(command: int, attr: ctypes.Structure) -> int:
    """Runs the command. Raises OSError."""
    number = NR_BPF[platform.machine()]
    result = _syscall(
        ctypes.c_long(number), ctypes.c_long(command), ctypes.byref(attr), ctypes.c_long(ctypes.sizeof(attr))
    )
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)
