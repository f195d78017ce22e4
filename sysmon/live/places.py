"""Directories of a live view: for a recording that is not kept, and for a viewer's temporary files.

They are in one of ours, which is locked while we run: what a launcher left that was killed the next one removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
from pathlib import Path

from sysmon.bpf.trace_file import temporary
from sysmon.bpf.trace_file.directory import LIST, Directory
from sysmon.errors import CannotWrite
from sysmon.recorder.own.ownership import User

NAME = re.compile(r"sysmon-live-[0-9a-f]{16}")

ENTERED = 0o711
"""Of ours: others enter what is theirs in it, and see nothing else."""

ON_DISK = Path("/var/tmp")
"""Where /tmp may be memory."""


class Places:
    """Ours, with directories of others in it. Raises CannotWrite."""

    def __init__(self) -> None:
        base = Path(temporary.directory() if os.environ.get("TMPDIR") or not os.access(ON_DISK, os.W_OK) else ON_DISK)
        self._name = f"sysmon-live-{secrets.token_hex(8)}"
        self.path = base / self._name
        try:
            self._base = Directory.hold(base)
            _sweep(self._base)
            self._own = self._base.make(self._name)
            fcntl.flock(self._own.fileno(), fcntl.LOCK_EX)
            os.fchmod(self._own.fileno(), ENTERED)
        except OSError as error:
            raise CannotWrite(f"no directory for temporary files in {base}: {error.strerror}; set TMPDIR") from None

    def make(self, name: str, user: User | None) -> Path:
        """A directory that is this user's alone; None: ours."""
        try:
            with self._own.make(name) as made:
                if user:
                    os.fchown(made.fileno(), user.uid, user.gid)
        except OSError as error:
            raise CannotWrite(f"cannot make a directory in {self.path}: {error.strerror}; set TMPDIR") from None
        return self.path / name

    def remove(self) -> None:
        """Removes all of it. Nobody uses it any more."""
        _remove(self._base, self._name)
        self._own.close()
        self._base.close()


def _remove(base: Directory, name: str) -> None:
    """Follows no link: what is in it may be anybody's."""
    assert shutil.rmtree.avoids_symlink_attacks
    shutil.rmtree(name, ignore_errors=True, dir_fd=base.fileno())


def _sweep(base: Directory) -> None:
    for name in filter(NAME.fullmatch, base.names()):
        with contextlib.suppress(OSError):
            fd = os.open(name, LIST, dir_fd=base.fileno())
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(fd).st_uid == os.geteuid():
                    _remove(base, name)
            finally:
                os.close(fd)
