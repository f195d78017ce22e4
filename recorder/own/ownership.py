"""Who owns the trace: the user behind sudo, if permitted to write it there."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sysmon.recorder.own import capabilities


@dataclass(frozen=True)
class User:
    """The user who called sudo."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def sudo_user() -> User | None:
    """The user who called sudo; None if that is root, or if the process may not change its user."""
    uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if os.getresuid() != (0, 0, 0) or not {"CAP_SETUID", "CAP_SETGID"} <= capabilities.effective():
        return None
    if not all(text.isascii() and text.isdigit() and int(text) < 2**32 - 1 for text in (uid, gid)) or not int(uid):
        return None
    try:
        groups = tuple(os.getgrouplist(pwd.getpwuid(int(uid)).pw_name, int(gid)))
    except KeyError:  # no such name: an id from another machine
        groups = (int(gid),)
    return User(int(uid), int(gid), groups)


@contextlib.contextmanager
def acting_as(user: User | None) -> Iterator[None]:
    """Context in which files are opened and created as this user; None: as the current one.

    So the kernel refuses what the user may not do, and no chown is needed, whatever links are in the path.
    """
    if user is None:
        yield
        return
    groups = os.getgroups()
    os.setgroups(user.groups)
    os.setegid(user.gid)
    os.seteuid(user.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def owner(path: Path) -> User | None:
    """Who will own a trace of this name: the user behind sudo, if permitted to write it there, else root."""
    user = sudo_user()
    with acting_as(user):
        return user if user and may_write(path, user.uid) else None


def may_write(path: Path, uid: int) -> bool:
    """Whether the current user may create a file there, and replace one that exists."""
    try:
        folder = os.stat(path.parent)
        if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
            return False
        if not folder.st_mode & stat.S_ISVTX or folder.st_uid == uid:
            return True
        return not os.path.lexists(path) or os.lstat(path).st_uid == uid
    except OSError:
        return False


def become(user: User, kept: frozenset[str]) -> None:
    """Does `reduce`, and makes this process the user's. Its other threads lose all capabilities."""
    capabilities.limit(kept)  # while still permitted
    capabilities.prctl(capabilities.SET_KEEPCAPS, 1)
    os.setgroups(user.groups)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    capabilities.reduce(kept)
