"""Limits a reader of symbols, so that whoever takes it over can do less than the user it runs as."""

from __future__ import annotations

import ctypes
import os
import resource
import struct

from sysmon.recorder.symbols import refused_calls

MEMORY_BYTES = 1 << 31
"""How much address space may be added to what the recorder had."""

CPU_S = 10
"""CPU time per question."""

FILES = 64
"""How many descriptors may be open."""

NICE = 0
"""Not the recorder's -20, as a large file takes seconds; nor 10, at which busy CPUs delayed an answer by 2 s: rows wait
for 5 s.
"""

_libc = ctypes.CDLL(None, use_errno=True)

_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # landlock_*(2), on all architectures
_ABI = 1  # LANDLOCK_CREATE_RULESET_VERSION

_READ_FILE, _READ_DIR = 1 << 2, 1 << 3  # LANDLOCK_ACCESS_FS_*, uapi/linux/landlock.h
_ACCESSES = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many kinds of access to files an ABI of Landlock knows."""

_TCP, _SCOPES = 0b11, 0b11  # LANDLOCK_ACCESS_NET_*, from ABI 4 on; LANDLOCK_SCOPE_*, from 6 on


def confine() -> None:
    """Limits this process for good. It has no capability, and gets none by executing a program."""
    with open("/proc/self/statm") as sizes:
        has = int(sizes.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limits = {
        resource.RLIMIT_AS: has + MEMORY_BYTES,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: FILES,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))
    os.setpriority(os.PRIO_PROCESS, 0, NICE)
    _read_only()
    refused_calls.refuse()


def begin_question() -> None:
    """Limits the CPU time from here on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + CPU_S, hard))


def _read_only() -> None:
    """Has Landlock refuse all access to files except reading, to TCP, and to processes outside: by signal or ptrace(2).

    It knows neither UDP nor unix sockets with a path, and RLIMIT_NPROC does not bind root: for that there is
    `refused_calls.py`. Without Landlock (before 5.13, or not configured) what the user may do to files remains: a
    container's root is root here.
    """
    abi = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ABI))
    if abi < 1:
        return
    files = (1 << _ACCESSES[min(abi, max(_ACCESSES))]) - 1 & ~_READ_FILE & ~_READ_DIR
    rules = struct.pack("=QQQ", files, _TCP, _SCOPES)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = _libc.syscall(_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), ctypes.c_uint32(0))
    if ruleset < 0 or _libc.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)):
        raise OSError(ctypes.get_errno(), "Landlock")
    os.close(ruleset)
