"""The directory that the control socket goes into, made or found while the recorder still has its privileges.

Root's is /run/sysmon/UID, of the owner of the trace. Without root it is a directory of the user's own.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from sysmon.bpf.control import places
from sysmon.bpf.trace_file.directory import Directory
from sysmon.errors import BadRequest
from sysmon.recorder.own import isolation
from sysmon.recorder.own.ownership import User

OF_ALL = 0o755
"""Mode of the directory that has those of all users."""


@dataclass(frozen=True)
class Access:
    """What a server of clients is made from. Whoever has it closes it."""

    owner: int  # the user who may connect, besides root
    directory: Directory | None  # for the socket
    missing: str = ""  # why there is none
    inherited: socket.socket | None = None  # connected to a client from the start

    def close(self) -> None:
        """Lets go of the directory, and of a connection that no server took over."""
        if self.directory:
            self.directory.close()
        if self.inherited:
            self.inherited.close()


def of(user: User | None, inherited: socket.socket | None) -> Access:
    """`user` owns the trace; None: the current user does. A recording without a socket is better than none."""
    uid, gid = (user.uid, user.gid) if user else (os.geteuid(), os.getegid())
    try:
        directory = _of_root(uid, gid) if os.geteuid() == 0 else _without_root(uid)
    except OSError as error:
        return Access(uid, None, str(error.strerror or error), inherited)
    return Access(uid, directory, inherited=inherited)


def inherited(fd: int) -> socket.socket:
    """The connection to a client that this process was started with. Raises BadRequest."""
    try:
        found = socket.socket(fileno=fd)
    except OSError as error:
        raise BadRequest(f"--control-fd: descriptor {fd} is no socket: {error.strerror}") from None
    found.set_inheritable(False)
    if (found.family, found.type) != (socket.AF_UNIX, socket.SOCK_SEQPACKET) or not _is_connected(found):
        found.close()
        raise BadRequest(f"--control-fd: descriptor {fd} is not one of a connected pair of SOCK_SEQPACKET sockets")
    return found


def _is_connected(found: socket.socket) -> bool:
    try:
        found.getpeername()
    except OSError:
        return False
    return True


def _of_root(uid: int, gid: int) -> Directory:
    """Raises OSError."""
    with Directory.hold(places.RUN.parent) as run, _held(run, places.RUN.name) as all_users:
        found = all_users.status()
        if found.st_uid != 0 or found.st_mode & 0o022:
            raise PermissionError(errno.EPERM, f"others may write to {places.RUN}")
        if found.st_mode & 0o777 != OF_ALL:  # just made
            os.fchmod(all_users.fileno(), OF_ALL)
        return _private(all_users, str(uid), uid, gid)


def _without_root(uid: int) -> Directory:
    """The first of the user's directories that can be had. Raises OSError."""
    runtime = isolation.variable(b"XDG_RUNTIME_DIR")
    failed = FileNotFoundError(errno.ENOENT, "there is no directory for it")
    for path in places.without_root(uid, os.fsdecode(runtime) if runtime else None):
        try:
            with Directory.hold(path.parent) as parent:
                return _private(parent, path.name, uid, os.getegid())
        except OSError as error:
            failed = OSError(error.errno, f"{path}: {error.strerror}")  # type: ignore[assignment]
    raise failed


def _private(parent: Directory, name: str, uid: int, gid: int) -> Directory:
    """A directory in `parent` that is this user's alone, made if it is not there. Raises OSError."""
    directory = _made_or_found(parent, name)
    try:
        if directory.status().st_uid != uid and os.geteuid() == directory.status().st_uid == 0:  # just made
            os.fchown(directory.fileno(), uid, gid)
        if not places.is_private(directory.status(), uid):
            raise PermissionError(errno.EPERM, "it is not its owner's alone")
    except BaseException:
        directory.close()
        raise
    return directory


@contextlib.contextmanager
def _held(parent: Directory, name: str) -> Iterator[Directory]:
    with _made_or_found(parent, name) as directory:
        yield directory


def _made_or_found(parent: Directory, name: str) -> Directory:
    """Raises OSError."""
    try:
        return parent.make(name)
    except FileExistsError:
        return parent.subdirectory(name)
