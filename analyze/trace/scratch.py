"""Directories for temporary files: only their owner can enter them, and they are removed with the process.

What a process killed by SIGKILL leaves behind is removed by the next one that makes such a directory. A directory in
use is locked (flock(2)), so nothing is taken from a live process.
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
"""While DuckDB's threads run, a directory may get a file between emptying and removal."""

_held: dict[Path, tuple[int, int]] = {}  # directory → descriptor that holds its lock, and its maker's pid


def new_directory() -> Path:
    """A new empty directory below the one for temporary files. Raises OSError."""
    try:
        return _made()
    except (BlockingIOError, FileNotFoundError):  # another process swept it before we had the lock
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
    """Removes a directory made by this process, with its content; repeated calls do nothing."""
    fd, maker = _held.pop(path, (-1, 0))
    try:
        for _ in range(TRIES if maker == os.getpid() else 0):  # not those of the process we were forked from
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
    """Removes this user's directories that are no longer in use."""
    for name in filter(NAME.fullmatch, os.listdir(place)):
        with contextlib.suppress(OSError):
            fd = _opened(place, name, fcntl.LOCK_EX)
            try:
                _empty(fd)
                os.rmdir(name, dir_fd=place)
            finally:
                os.close(fd)


def _opened(place: int, name: str, lock: int) -> int:
    """The descriptor of one of our directories, locked. Raises OSError if it is something else or in use.

    A directory in use has a shared lock, as NFS does not grant exclusive locks on directories; there nothing is swept.
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
    """Removes files only: if there is anything else, it stays, and with it the directory."""
    for name in os.listdir(fd):
        os.unlink(name, dir_fd=fd)
