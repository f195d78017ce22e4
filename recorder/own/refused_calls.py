"""Has the kernel refuse system calls to a process that it never makes: those that reach another process."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Collection

from sysmon.errors import CannotRecord
from sysmon.recorder.load.syscall_names import SyscallNames

REFUSED = (  # to a reader of symbols
    *("socket", "connect", "io_uring_setup"),  # io_uring makes calls that no filter sees
    *("fork", "vfork", "clone", "clone3", "execve", "execveat", "unshare", "setns"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd"),
    *("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"),
)

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "riscv64": 0xC00000F3}
"""AUDIT_ARCH_*, uapi/linux/audit.h: calls of another table, as of 32 bits, are refused altogether."""

_X32 = 0x40000000
"""Set in the numbers of x32, which has the architecture of x86_64. No other number is as large."""

_LOAD, _EQUAL, _AT_LEAST, _HAS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF_LD | BPF_W | BPF_ABS and so on
_NUMBER, _ARCHITECTURE, _FLAGS = 0, 4, 16  # in struct seccomp_data; the last: of clone, its first argument
_ALLOW, _REFUSE, _ABSENT = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
_CLONE_THREAD = 0x10000
_SET_SECCOMP, _FILTER = 22, 2  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def _program(architecture: int, numbers: list[int], of_threads: list[int]) -> bytes:
    """Instructions (struct sock_filter); the last refuses. `of_threads`: see `_only_threads`."""
    tests = [(_AT_LEAST, _X32), *((_EQUAL, number) for number in numbers)]
    middle = _only_threads(*of_threads) if of_threads else []
    last = len(tests) + len(middle) + 4
    code = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 0, last - 2, architecture), (_LOAD, 0, 0, _NUMBER)]
    code += [(test, last - at - 1, 0, value) for at, (test, value) in enumerate(tests, len(code))]
    code += [*middle, (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    return b"".join(struct.pack("=HBBI", *each) for each in code)


def _only_threads(clone: int, clone3: int) -> list[tuple[int, int, int, int]]:
    """To be followed by what allows and what refuses: a clone without CLONE_THREAD is refused. The flags of clone3 are
    in memory, so it is said to be absent, and the C library takes clone (pthread_create(3)).
    """
    return [
        (_EQUAL, 0, 1, clone3),
        (_RETURN, 0, 0, _ABSENT),
        (_EQUAL, 0, 2, clone),
        (_LOAD, 0, 0, _FLAGS),
        (_HAS, 0, 1, _CLONE_THREAD),
    ]


def program(refused: Collection[str], *, has_threads: bool = False) -> bytes:
    """What refuses these calls; empty if their numbers are not known here. `has_threads`: allows to start threads, and
    no process.
    """
    try:
        names = SyscallNames()
    except CannotRecord:
        return b""
    of_threads = names.numbers(("clone", "clone3")) if has_threads else []
    return _program(_ARCHITECTURES[names.machine], names.numbers(refused), of_threads)


PROGRAM = program(REFUSED)
"""Made when this is imported: a reader may not be able to read the list of numbers."""


def refuse(instructions: bytes = PROGRAM) -> bool:
    """Refuses them to this thread for good, with EPERM. Returns whether this machine can. Raises OSError."""
    if not instructions:
        return False
    given = _Program(len(instructions) // 8, instructions)
    if _libc.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER), ctypes.byref(given)):
        code = ctypes.get_errno()
        if code != errno.EINVAL:  # the kernel was built without
            raise OSError(code, os.strerror(code))
        return False
    return True
