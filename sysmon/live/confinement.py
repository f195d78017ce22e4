"""Takes from a viewer, and from a writer, what it does not need: whoever takes it over can do little with it.

A trace is hostile input, and what reads it is large. The process has no other thread when this is called, as
capabilities, Landlock and seccomp belong to threads.
"""

from __future__ import annotations

import os
import pwd
import resource
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sysmon.errors import CannotRecord
from sysmon.recorder.own import capabilities, isolation, landlock, ownership, refused_calls
from sysmon.recorder.own.ownership import User

NOBODY = 65534
"""Where no user has that name."""

ADDRESS_BYTES = 8 << 30
"""Address space. Threads reserve a hundred times as much as they use; DATA_BYTES limits what is used."""

DATA_BYTES = 3 << 30
"""Memory that is written to, and stacks: DuckDB may use 512 MiB, Arrow and rows that wait as much."""

FILES = 512
"""Descriptors: twelve for each part of a recording, one for each file that a query reads."""

CODE = ("/usr", "/lib", "/lib64", "/etc", "/proc", "/sys", "/dev")
"""Where Python, its packages, the C library and what they look up may be, besides what Python names itself."""

REFUSED = (
    *("socket", "connect", "bind", "listen", "accept", "accept4", "io_uring_setup"),
    *("fork", "vfork", "execve", "execveat", "unshare", "setns", "mount", "bpf", "perf_event_open", "keyctl"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "pidfd_send_signal", "kcmp"),
)
"""System calls, besides those that start a process."""

_PROGRAM = refused_calls.program(REFUSED, has_threads=True)

_SET_DUMPABLE = 4  # PR_SET_DUMPABLE, uapi/linux/prctl.h


@dataclass(frozen=True)
class Bounds:
    """Which files a process may use by name, if its user may: below `writable` in any way, below `readable` and where
    code is to be read; None: all to be read.
    """

    writable: tuple[str, ...] = ()
    readable: tuple[str, ...] | None = ()


def nobody() -> User:
    """The user of a viewer that root starts."""
    try:
        found = pwd.getpwnam("nobody")
    except KeyError:
        return User(NOBODY, NOBODY, ())
    return User(found.pw_uid, found.pw_gid, ())


def viewer_user() -> User | None:
    """Who a viewer becomes: behind sudo that user, else nobody; None: it stays who it is, as it is not root.

    Raises CannotRecord if root may not become another.
    """
    if os.geteuid():
        return None
    if not {"CAP_SETUID", "CAP_SETGID"} <= capabilities.effective():
        raise CannotRecord("a viewer must not be root, and CAP_SETUID and CAP_SETGID to become nobody are missing")
    behind = ownership.sudo_user()
    return User(behind.uid, behind.gid, (behind.gid,)) if behind else nobody()


def confine(user: User | None, bounds: Bounds, dies_by: int) -> None:
    """Makes this process the user's, without capabilities, and limits it for good. Raises OSError."""
    if user:
        ownership.become(user, frozenset())
    else:
        capabilities.reduce(frozenset())
    capabilities.prctl(_SET_DUMPABLE, 0)
    capabilities.end_with_parent(dies_by)  # becoming another user has reset it
    for kind, most in (
        (resource.RLIMIT_AS, ADDRESS_BYTES),
        (resource.RLIMIT_DATA, DATA_BYTES),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _soft, hard = resource.getrlimit(kind)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (limit, limit))
    os.umask(0o077)
    os.chdir("/")
    landlock.restrict(None if bounds.readable is None else (*_code(), *bounds.readable), bounds.writable)
    refused_calls.refuse(_PROGRAM)


def _code() -> list[str]:
    return [*CODE, sys.prefix, sys.base_prefix, isolation.HOME]


def use_for_temporary_files(place: Path) -> None:
    """Has this process make them there."""
    os.environ["TMPDIR"] = str(place)
    tempfile.tempdir = None
