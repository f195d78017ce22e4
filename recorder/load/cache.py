"""Caches compiled programs, so that the next recording starts at once.

Nothing depends on it: programs that cannot be read or stored are compiled.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sysmon.bpf.trace_file.atomic import NewFile
from sysmon.bpf.trace_file.directory import Directory

FILES = 64
"""Entries kept, the most recently used: 8 MB. Different options need different programs."""

_DIGEST_BYTES = hashlib.sha256().digest_size
_MAX_BYTES = 16 << 20


def _only_we_write(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


@dataclass(frozen=True)
class Cache:
    """Files in a folder to which only we can write. `key` is a hexadecimal number."""

    folder: Path

    @contextlib.contextmanager
    def _held(self, *, make: bool = False) -> Iterator[Directory]:
        """The folder itself, not through a link. Raises OSError, also if others may write to it."""
        with Directory.hold(self.folder.parent) as parent:
            if make and not parent.exists(self.folder.name):
                parent.make(self.folder.name).close()
            with parent.subdirectory(self.folder.name) as folder:
                if not _only_we_write(folder.status()):
                    raise PermissionError(errno.EPERM, "others may write there")
                yield folder

    def find(self, key: str) -> bytes | None:
        """The data stored under this key; None if there is none, or if it is damaged."""
        try:
            with self._held() as folder, folder.reader(key) as file:
                if not _only_we_write(os.fstat(file.fileno())):
                    return None
                text = file.read(_MAX_BYTES)
                with contextlib.suppress(OSError):  # read-only file system
                    os.utime(file.fileno())
        except OSError:
            return None
        digest, data = text[:_DIGEST_BYTES], text[_DIGEST_BYTES:]
        return data if hashlib.sha256(data).digest() == digest else None

    def keep(self, key: str, data: bytes) -> None:
        """Stores data, if that is possible."""
        # Fails harmlessly on a full disk, a read-only file system, or when another recorder tidies up.
        with contextlib.suppress(OSError), self._held(make=True) as folder:
            with NewFile(folder, key) as new:
                new.file.write(hashlib.sha256(data).digest() + data)
                new.publish(force=True)
            _tidy_up(folder)


def _tidy_up(folder: Directory) -> None:
    found = {name: folder.status(name) for name in folder.names()}
    files = [name for name, status in found.items() if not stat.S_ISDIR(status.st_mode)]
    for name in sorted(files, key=lambda name: found[name].st_mtime, reverse=True)[FILES:]:
        folder.remove(name)
