"""The socket that clients connect to: in a directory that is held open, with a name that no other recorder has."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator

from sysmon.bpf.control.places import MOST_NAME_BYTES
from sysmon.bpf.trace_file.directory import LIST, Directory

NAMES = 100
"""How many names to try if other recorders have those before."""

BACKLOG = 8

LOCK_S = 1.0
"""How long to wait for another recorder that binds in the same directory, which takes it a millisecond."""

MODE = 0o600


class Listener:
    """Listens from the start; `close` removes the socket. Raises OSError."""

    def __init__(self, directory: Directory, wanted: str) -> None:
        """`directory` belongs to the caller, who keeps it open. `wanted` is a file name."""
        self._directory = directory
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            os.fchmod(self.socket.fileno(), MODE)  # which the name gets
            with _alone_in(directory):
                self.name = self._bind(_fitting(wanted))
                self._bound = _identity(directory, self.name)
                self.socket.listen(BACKLOG)
        except BaseException:
            self.socket.close()
            raise

    def _bind(self, wanted: str) -> str:
        """Returns the name that it has: another if a living recorder has the one that is wanted."""
        for name in (wanted, *(f"{wanted}-{number}" for number in range(2, NAMES))):
            if self._directory.exists(name) and is_stale(self._directory, name):
                self._directory.remove(name)
            with contextlib.suppress(FileExistsError):
                _bind(self.socket, path(self._directory, name))
                return name
        raise FileExistsError(errno.EEXIST, f"{NAMES} recordings have the name {wanted}")

    def close(self) -> None:
        """Removes the socket, unless its name is another's by now."""
        self.socket.close()
        with contextlib.suppress(OSError):
            if _identity(self._directory, self.name) == self._bound:
                self._directory.remove(self.name)


def path(directory: Directory, name: str) -> str:
    """The path of a name in a directory that is held: the kernel has no call that binds relative to a directory."""
    return f"/proc/self/fd/{directory.fileno()}/{name}"


def _identity(directory: Directory, name: str) -> tuple[int, int, int]:
    """Tells a file from another that has its name, or its inode's number, later. Raises OSError."""
    found = directory.status(name)
    return found.st_dev, found.st_ino, found.st_mtime_ns


def is_stale(directory: Directory, name: str) -> bool:
    """Whether it is the socket of a recorder that is gone. Raises OSError."""
    if not stat.S_ISSOCK(directory.status(name).st_mode):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as tried:
        try:
            tried.connect(path(directory, name))
        except ConnectionRefusedError:
            return True
        except OSError:  # EAGAIN: it has many clients
            return False
    return False


def _bind(new: socket.socket, where: str) -> None:
    """Raises FileExistsError if the name is taken."""
    try:
        new.bind(where)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise FileExistsError(errno.EEXIST, where) from None
        raise


def _fitting(wanted: str) -> str:
    """The name, cut so that a number has room behind it."""
    return os.fsdecode(os.fsencode(wanted)[: MOST_NAME_BYTES - len(f"-{NAMES}")])


@contextlib.contextmanager
def _alone_in(directory: Directory) -> Iterator[None]:
    """Context in which no other recorder binds there: until it listens, a socket looks as if its recorder were gone."""
    fd = os.open(".", LIST, dir_fd=directory.fileno())
    try:
        _lock(fd)
        yield
    finally:
        os.close(fd)


def _lock(fd: int) -> None:
    """Raises BlockingIOError."""
    until = time.monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise
        time.sleep(0.01)
