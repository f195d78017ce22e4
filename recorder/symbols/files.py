"""Opens files that a process has mapped or written, which it may have replaced by anything, under its root directory.

No symbolic link is followed, nothing but a regular file is opened for reading, as opening a device may act on it, and
only one of the process's user or of root.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct

BYTES = 4 << 30
"""Maximum size of a file."""

NOT_FOUND, REPLACED = "its file is gone", "its file has been replaced"

_OPENAT2 = 437  # on all architectures
_NO_MAGICLINKS, _NO_SYMLINKS, _IN_ROOT = 0x02, 0x04, 0x10  # RESOLVE_*, uapi/linux/openat2.h
_O_PATH = os.O_PATH | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class Refused(Exception):
    """A file that is not read, and why."""


def _openat2(folder: int, path: bytes, flags: int, resolve: int) -> int:
    how = struct.pack("=QQQ", flags, 0, resolve)
    fd: int = _libc.syscall(ctypes.c_long(_OPENAT2), ctypes.c_int(folder), path, how, ctypes.c_size_t(len(how)))
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return fd


class Root:
    """The root directory of a process, whose files are of `uid` or root."""

    def __init__(self, fd: int, uid: int) -> None:
        self._fd, self._uid = fd, uid
        # Paths in the maps of a process in a chroot begin at our root if it shares our mounts, else at that of its own.
        own = os.fsencode(os.readlink(f"/proc/self/fd/{fd}"))
        self._prefix = b"" if own == b"/" else own

    def path(self, path: bytes) -> bytes:
        """A path of its maps, as the process itself sees it."""
        below = self._prefix and path.startswith(self._prefix + b"/")
        return path[len(self._prefix) :] if below else path

    def mapped(self, path: bytes, inode: int) -> int:
        """Opens a mapped file. Raises Refused."""
        found = self._find(self._fd, self.path(path), _O_PATH)
        try:
            if os.fstat(found).st_ino != inode:
                raise Refused(REPLACED)
            return readable(found, self._uid)
        finally:
            os.close(found)

    def installed(self, path: bytes) -> int:
        """Opens a file that a package may have installed. Raises Refused."""
        found = self._find(self._fd, path, _O_PATH, _NO_MAGICLINKS)  # a package may have links
        try:
            return readable(found, self._uid)
        finally:
            os.close(found)

    def written(self, folder: bytes, name: bytes) -> int:
        """Opens a file that the process may have written. Raises Refused."""
        at = self._find(self._fd, folder, _O_PATH | os.O_DIRECTORY, _NO_MAGICLINKS)  # /tmp may be a link
        try:
            found = self._find(at, name, _O_PATH)
        finally:
            os.close(at)
        try:
            if os.fstat(found).st_nlink != 1:  # else another user may have put a link to a file of this user there
                raise Refused("its file has more than one link")
            return readable(found, self._uid)
        finally:
            os.close(found)

    @staticmethod
    def _find(folder: int, path: bytes, flags: int, resolve: int = _NO_SYMLINKS) -> int:
        try:
            return _openat2(folder, path, flags, resolve | _IN_ROOT)
        except FileNotFoundError:
            raise Refused(NOT_FOUND) from None
        except OSError as error:
            raise Refused(f"its file cannot be opened: {error.strerror}") from None


def readable(found: int, uid: int) -> int:
    """Opens what a descriptor of O_PATH refers to. Raises Refused."""
    status = os.fstat(found)
    if not stat.S_ISREG(status.st_mode):
        raise Refused("not a regular file")
    if status.st_uid not in (uid, 0):
        raise Refused("its file belongs to another user")
    if status.st_size > BYTES:
        raise Refused("its file is too large")
    try:
        return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"its file cannot be opened: {error.strerror}") from None
