"""The way of root to a directory.

Root goes no way on which another user sends it elsewhere: a symbolic link counts only where nobody but root could have
put it, or if it leads to a directory of whoever could. That is what CHASE_SAFE of systemd's chase() is for. Other users
go where the kernel lets them.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

ANYBODY = -1
"""In place of a user: whoever may write to a directory that is open to others."""

MAX_LINKS = 40
"""On the way to one directory; as many as the kernel follows, path_resolution(7)."""

HOLD = getattr(os, "O_PATH", 0) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


class Unsafe(PermissionError):
    """A name that root does not follow, or a file that it does not read. `strerror` says which, and why."""

    def __init__(self, what: str) -> None:
        super().__init__(errno.EPERM, what)


def walk(path: Path) -> int:
    """A descriptor of the directory. Raises OSError. Each step is one name in a directory that is held."""
    left = str(path).split("/")[::-1]  # what is still to go, the next step last
    fd = os.open("/" if path.is_absolute() else ".", HOLD)
    shown = "/" if path.is_absolute() else ""
    senders: set[int] = set()  # who could have put the links that were followed
    hosts = _others(os.fstat(fd))  # whose directories were gone through: what is below may be made up, as by FUSE
    link = ""
    links = 0
    try:
        while left:
            step = left.pop()
            if step in ("", "."):
                continue
            shown = os.path.join(shown, step)
            found = os.stat(step, dir_fd=fd, follow_symlinks=False)
            if not stat.S_ISLNK(found.st_mode):
                fd = _stepped(fd, step)
                hosts |= _others(os.fstat(fd))
                continue
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            if sent := hosts | _senders(os.fstat(fd), found):
                senders |= sent
                link = shown
            target = os.readlink(step, dir_fd=fd)
            left += target.split("/")[::-1]
            shown = os.path.dirname(shown)
            if target.startswith("/"):
                fd, hosts, shown = _stepped(fd, "/"), set(), "/"
        if senders and senders != {os.fstat(fd).st_uid}:
            raise Unsafe(f"root does not follow {link}, a link that another user can change")
        return fd
    except BaseException:
        os.close(fd)
        raise


def _stepped(fd: int, step: str) -> int:
    """The directory that is one step on; the one before is let go."""
    further = os.open(step, HOLD | os.O_NOFOLLOW, dir_fd=fd)
    os.close(fd)
    return further


def _others(directory: os.stat_result) -> set[int]:
    """Its owner, unless that is root."""
    return {directory.st_uid} - {0}


def _senders(directory: os.stat_result, link: os.stat_result) -> set[int]:
    """Which users but root could have put this link into a directory of root's."""
    if not directory.st_mode & 0o022:
        return set()
    return _others(link) if directory.st_mode & stat.S_ISVTX else {ANYBODY}
