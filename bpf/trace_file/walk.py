"""Opens a directory by its path, safely for root.

Root must not be led elsewhere by another user: it follows a symbolic link only if nobody but root could have created
it, or if it leads to a directory of the user who could. CHASE_SAFE of systemd's chase() serves the same purpose. Other
users go where the kernel lets them.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

ANYBODY = -1
"""Instead of a user: anyone who may write to a directory that is open to others."""

MAX_LINKS = 40
"""Most symbolic links on the way to a directory: as many as the kernel follows, path_resolution(7)."""

HOLD = getattr(os, "O_PATH", 0) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


class Unsafe(PermissionError):
    """A link that root does not follow, or a file that it does not read. `strerror` says which, and why."""

    def __init__(self, what: str) -> None:
        super().__init__(errno.EPERM, what)


def walk(path: Path) -> int:
    """A descriptor of the directory. Raises OSError. Each step opens one name relative to an open directory."""
    way = _Way(path)
    try:
        way.go()
    except BaseException:
        os.close(way.fd)
        raise
    return way.fd


class _Way:
    """The path so far."""

    def __init__(self, path: Path) -> None:
        self._left = str(path).split("/")[::-1]  # the steps that remain, the next one last
        self._shown = "/" if path.is_absolute() else ""
        self.fd = os.open(self._shown or ".", HOLD)
        self._senders: set[int] = set()  # users who could have created the links that were followed
        self._hosts: set[int] = set()  # owners of the directories passed: everything below may be made up, as by FUSE
        self._link = ""  # the last link that another user could have created
        self._links = 0
        self._enter()

    def go(self) -> None:
        """Goes all steps. Raises OSError."""
        while self._left:
            step = self._left.pop()
            if step not in ("", "."):
                self._go(step)
        if self._senders and self._senders != {os.fstat(self.fd).st_uid}:
            raise Unsafe(f"root does not follow {self._link}, a link that another user can change")

    def _go(self, step: str) -> None:
        self._shown = os.path.join(self._shown, step)
        found = os.stat(step, dir_fd=self.fd, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            self._follow(step, found)
        else:
            self.fd = _stepped(self.fd, step)
            self._enter()

    def _enter(self) -> None:
        self._hosts |= _others(os.fstat(self.fd))

    def _follow(self, step: str, link: os.stat_result) -> None:
        self._links += 1
        if self._links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if sent := self._hosts | _senders(os.fstat(self.fd), link):
            self._senders |= sent
            self._link = self._shown
        target = os.readlink(step, dir_fd=self.fd)
        self._left += target.split("/")[::-1]
        self._shown = os.path.dirname(self._shown)
        if target.startswith("/"):
            self.fd, self._hosts, self._shown = _stepped(self.fd, "/"), set(), "/"


def _stepped(fd: int, step: str) -> int:
    """Goes into the directory that is one step further, and closes the previous one."""
    further = os.open(step, HOLD | os.O_NOFOLLOW, dir_fd=fd)
    os.close(fd)
    return further


def _others(directory: os.stat_result) -> set[int]:
    """Notes its owner, unless that is root."""
    return {directory.st_uid} - {0}


def _senders(directory: os.stat_result, link: os.stat_result) -> set[int]:
    """The users other than root who could have created this link in a directory of root's."""
    if not directory.st_mode & 0o022:
        return set()
    return _others(link) if directory.st_mode & stat.S_ISVTX else {ANYBODY}
