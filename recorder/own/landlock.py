"""Has Landlock (Linux 5.13) take a process's access to files, whatever its user may do with them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # landlock_*(2), on all architectures
_ABI = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1  # LANDLOCK_RULE_PATH_BENEATH

_READ = 1 << 2 | 1 << 3  # LANDLOCK_ACCESS_FS_READ_FILE, _READ_DIR, uapi/linux/landlock.h
_ACCESSES = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many kinds of access to files an ABI of Landlock knows."""

_TCP, _SCOPES = 0b11, 0b11  # LANDLOCK_ACCESS_NET_*, from ABI 4 on; LANDLOCK_SCOPE_*, from 6 on

_libc = ctypes.CDLL(None, use_errno=True)


def restrict(readable: Iterable[str] | None, writable: Iterable[str] = ()) -> None:
    """Refuses this thread all access to files, except reading below some directories (None: everywhere), and anything
    below others; TCP; and processes outside by signal or ptrace(2). What is open stays so.

    It needs PR_SET_NO_NEW_PRIVS. It knows neither UDP nor unix sockets with a path. Without Landlock (before 5.13, or
    not configured) what the user may do to files remains. Raises OSError.
    """
    abi = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ABI))
    if abi < 1:
        return
    every = (1 << _ACCESSES[min(abi, max(_ACCESSES))]) - 1
    handled = every & ~_READ if readable is None else every
    rules = struct.pack("=QQQ", handled, _TCP, _SCOPES)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = _checked(_libc.syscall(_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), ctypes.c_uint32(0)))
    try:
        for path in readable or ():
            _allow(ruleset, path, _READ)
        for path in writable:
            _allow(ruleset, path, handled)
        _checked(_libc.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    """What is not there, or may not be entered, needs no permission."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            rule = struct.pack("=Qi", access, fd)
            _checked(_libc.syscall(_ADD_RULE, ctypes.c_int(ruleset), _PATH_BENEATH, rule, ctypes.c_uint32(0)))
        finally:
            os.close(fd)


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result
