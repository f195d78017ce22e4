"""Directories for temporary files: only their owner can look into them, and they vanish with the process.

What a process left that was killed by SIGKILL the next one takes away that makes such a directory. One that is in use
is locked (flock(2)), so nothing is taken from a process that lives.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import re
import secrets
import stat
import time
from pathlib import Path

from sysmon.bpf.trace_file import temporary

NAME = re.compile(r"sysmon-[0-9a-f]{16}")

MODE = 0o700

TRIES, PAUSE_S = 25, 0.02
"""While threads of DuckDB still run a directory may get a file between its emptying and its removal."""

_held: dict[Path, tuple[int, int]] = {}  # directory → descriptor that holds its lock, and the pid of who made it


def new_directory() -> Path:
    """An empty directory in the one for temporary files. Raises OSError."""
    try:
        return _made()
    except (BlockingIOError, FileNotFoundError):  # another process that sweeps was faster than our lock
        return _made()


def _made() -> Path:
    where = temporary.directory()
    place = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _sweep(place)
        name = f"sysmon-{secrets.token_hex(8)}"
        os.mkdir(name, MODE, dir_fd=place)
        try:
            fd = _opened(place, name, fcntl.LOCK_SH)
        except OSError:
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=place)
            raise
    finally:
        os.close(place)
    path = Path(where, name)
    _held[path] = fd, os.getpid()
    return path


def remove(path: Path) -> None:
    """Removes a directory that this process made, with what is in it; once is enough."""
    fd, maker = _held.pop(path, (-1, 0))
    try:
        for _ in range(TRIES if maker == os.getpid() else 0):  # and not of the process that this one was forked from
            with contextlib.suppress(OSError):
                _empty(fd)
                path.rmdir()
                break
            time.sleep(PAUSE_S)
    finally:
        if maker:
            os.close(fd)


@atexit.register
def remove_all() -> None:
    """Removes all of them."""
    for path in list(_held):
        remove(path)


def _sweep(place: int) -> None:
    """Removes what is not in use any more, of this user."""
    for name in filter(NAME.fullmatch, os.listdir(place)):
        with contextlib.suppress(OSError):
            fd = _opened(place, name, fcntl.LOCK_EX)
            try:
                _empty(fd)
                os.rmdir(name, dir_fd=place)
            finally:
                os.close(fd)


def _opened(place: int, name: str, lock: int) -> int:
    """The descriptor of a directory of ours, locked. Raises OSError if it is none, or in use.

    Who uses it holds a shared lock, as over NFS the other is not given for a directory; then nothing is swept.
    """
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
    try:
        found = os.fstat(fd)
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != MODE:
            raise PermissionError(f"{name} is not ours")
        fcntl.flock(fd, lock | fcntl.LOCK_NB)
        if not os.fstat(fd).st_nlink:
            raise FileNotFoundError(name)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _empty(fd: int) -> None:
    """There are only files in it: what is not one stays, and with it the directory."""
    for name in os.listdir(fd):
        os.unlink(name, dir_fd=fd)
