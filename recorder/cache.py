"""Keeps what was compiled, so that the next recording begins at once.

Nothing depends on it: what cannot be read or kept is compiled.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

FILES = 16
"""How many are kept, those that were used last. Options that change the programs make others."""

_DIGEST_BYTES = hashlib.sha256().digest_size
_MAX_BYTES = 16 << 20


def _only_we_write(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


@dataclass(frozen=True)
class Cache:
    """Files in a folder where only we can put any. `key` is a hexadecimal number."""

    folder: Path

    def _is_ours(self) -> bool:
        try:
            found = os.lstat(self.folder)
        except OSError:
            return False
        return stat.S_ISDIR(found.st_mode) and _only_we_write(found)

    def find(self, key: str) -> bytes | None:
        """What was kept under this key; None if nothing was, or it is damaged."""
        if not self._is_ours():
            return None
        try:
            # Neither what a link points to nor a FIFO, which would be waited for.
            fd = os.open(self.folder / key, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(fd, "rb") as file:
                found = os.fstat(fd)
                if not stat.S_ISREG(found.st_mode) or not _only_we_write(found):
                    return None
                text = file.read(_MAX_BYTES)
                with contextlib.suppress(OSError):  # a file system that is read-only
                    os.utime(fd)
        except OSError:
            return None
        digest, data = text[:_DIGEST_BYTES], text[_DIGEST_BYTES:]
        return data if hashlib.sha256(data).digest() == digest else None

    def keep(self, key: str, data: bytes) -> None:
        """Keeps it, if that is possible."""
        # Otherwise: a full disk, a file system that is read-only, another recorder that tidied up first.
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o755, exist_ok=True)
            if self._is_ours():
                self._write(key, hashlib.sha256(data).digest() + data)
                self._tidy_up()

    def _write(self, key: str, content: bytes) -> None:
        partial = self.folder / f".{key}.{secrets.token_hex(4)}"
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
            os.rename(partial, self.folder / key)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(partial)

    def _tidy_up(self) -> None:
        files = [path for path in self.folder.iterdir() if not path.is_dir()]
        newest_first = sorted(files, key=lambda path: path.lstat().st_mtime, reverse=True)
        for path in newest_first[FILES:]:
            path.unlink()
