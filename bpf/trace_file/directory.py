"""A directory that is held open, and the names in it: no path is resolved twice.

Whoever may write to a directory can change what a name in it means between two calls. So the way to a directory is
gone once, and from then on a file is one name in a directory that is held by its descriptor.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import stat
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from sysmon.bpf.trace_file.walk import HOLD, Unsafe, walk

HAS_DESCRIPTORS = os.open in os.supports_dir_fd
"""Not on Windows, where paths have to do."""

LIST = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
READ = (
    getattr(os, "O_NOFOLLOW", 0)  # not what a link points to
    | getattr(os, "O_NONBLOCK", 0)  # nor what has to be waited for, as a FIFO
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | READ

MODE = 0o600
"""Of each file: a trace, and whatever is made of it, has command lines and file names of every user."""

OWN_DESCRIPTORS = "/proc/self/fd"

RENAME_NOREPLACE = 1  # include/uapi/linux/fs.h


class Exchanged(Unsafe):
    """Somebody else's is in the place of a directory that was just made."""


class Directory:
    """A directory, held open until it is closed. `path` is for messages. Every method raises OSError.

    A name is one component: it has no slash.
    """

    def __init__(self, fd: int | None, path: Path) -> None:
        """`fd` is None where there are no descriptors of directories."""
        self._fd, self.path = fd, path

    @classmethod
    def hold(cls, path: Path) -> Self:
        """The directory of this path, which may be reached through links. Raises Unsafe if root must not go there."""
        if not HAS_DESCRIPTORS:
            os.listdir(path)  # says what is wrong with it
            return cls(None, path)
        return cls(walk(path) if os.geteuid() == 0 else os.open(path, HOLD), path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Lets it go."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def fileno(self) -> int:
        """Its descriptor."""
        assert self._fd is not None
        return self._fd

    def duplicate(self) -> Directory:
        """The same, to be closed by itself."""
        return Directory(None if self._fd is None else os.dup(self._fd), self.path)

    def _at(self, name: str) -> tuple[str, int | None]:
        if not name or "/" in name or "\0" in name or name in (".", ".."):
            raise ValueError(f"{name!r} is not a file name")
        return (name, self._fd) if HAS_DESCRIPTORS else (str(self.path / name), None)

    # -- what there is

    def names(self) -> list[str]:
        """Of all that is in it."""
        if not HAS_DESCRIPTORS:
            return os.listdir(self.path)
        fd = os.open(".", LIST, dir_fd=self._fd)
        try:
            return os.listdir(fd)
        finally:
            os.close(fd)

    def status(self, name: str | None = None) -> os.stat_result:
        """Of what has this name, which may be a link; None: of the directory."""
        if name is None:
            return os.stat(self.path) if self._fd is None else os.fstat(self._fd)
        where, fd = self._at(name)
        return os.stat(where, dir_fd=fd, follow_symlinks=False)

    def exists(self, name: str) -> bool:
        """Whether anything has this name, also a link to nothing."""
        try:
            self.status(name)
        except FileNotFoundError:
            return False
        return True

    def is_special(self, name: str) -> bool:
        """Whether something has this name that no file may take the place of: a device, or a link to one."""
        where, fd = self._at(name)
        try:
            return not stat.S_ISREG(os.stat(where, dir_fd=fd).st_mode)
        except FileNotFoundError:
            return False

    def subdirectory(self, name: str) -> Directory:
        """A directory in it, no link to one."""
        where, fd = self._at(name)
        return Directory(os.open(where, LIST, dir_fd=fd) if HAS_DESCRIPTORS else None, self.path / name)

    def reader(self, name: str) -> BinaryIO:
        """A regular file to be read. Raises Unsafe.

        Root reads only what has no other name and is the directory's owner's: else that one could have put there what
        he may not read, and what becomes of it might be his.
        """
        return self._opened(name, os.O_RDONLY, "rb")

    def changer(self, name: str) -> BinaryIO:
        """The same, to be read and written."""
        return self._opened(name, os.O_RDWR, "r+b")

    def _opened(self, name: str, how: int, mode: str) -> BinaryIO:
        where, dir_fd = self._at(name)
        try:
            fd = os.open(where, how | READ, dir_fd=dir_fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a FIFO that nobody reads, or a socket
                raise Unsafe(f"{name} is not a regular file") from None
            raise
        try:
            self._check(name, os.fstat(fd))
        except BaseException:
            os.close(fd)
            raise
        return os.fdopen(fd, mode)  # type: ignore[return-value]  # a binary one

    def _check(self, name: str, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise Unsafe(f"{name} is not a regular file")
        if not _is_root():
            return
        if found.st_nlink != 1:
            raise Unsafe(f"{name} has more than one link")
        if found.st_uid != self.status().st_uid:
            raise Unsafe(f"{name} does not belong to the directory's owner")

    # -- what is made, renamed and removed

    def make(self, name: str) -> Directory:
        """A new directory in it, for its owner only. Raises Exchanged."""
        where, fd = self._at(name)
        os.mkdir(where, 0o700, dir_fd=fd)
        try:
            made = self.subdirectory(name)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP, errno.ENOENT):
                raise Exchanged(f"{name} was replaced by another directory") from None
            self.remove_directory(name)
            raise
        try:
            if HAS_DESCRIPTORS and (made.names() or not made.is_own()):
                raise Exchanged(f"{name} was replaced by another directory")
        except BaseException:
            made.close()  # and nothing is removed: what has the name is not known
            raise
        return made

    def is_own(self) -> bool:
        """Whether it is ours, and nobody else's to look into.

        On a file system with owners of its own, such as FAT, what is made in it is like it: that is as good as it gets.
        """
        found = self.status()
        if found.st_uid == os.geteuid():
            return not found.st_mode & 0o077
        name = f".{secrets.token_hex(8)}"
        with self.create(name) as file:
            made = os.fstat(file.fileno())
        self.remove(name)
        return made.st_uid == found.st_uid

    def create(self, name: str) -> BinaryIO:
        """A new file, unbuffered, to be written and read."""
        where, fd = self._at(name)
        return os.fdopen(os.open(where, CREATE, MODE, dir_fd=fd), "w+b", buffering=0)

    def create_nameless(self) -> BinaryIO | None:
        """The same without a name: it is gone unless it gets one. None where there are no such files."""
        if not hasattr(os, "O_TMPFILE") or not os.path.exists(OWN_DESCRIPTORS):
            return None
        try:
            fd = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, MODE, dir_fd=self._fd)
        except OSError:  # EOPNOTSUPP, or EISDIR of an older file system
            return None
        return os.fdopen(fd, "w+b", buffering=0)

    def give_name(self, file: BinaryIO, new: str, force: bool) -> None:
        """Names a nameless file. Raises FileExistsError, unless it is to take the place of what has the name."""
        there, fd = self._at(f".{new}.{secrets.token_hex(4)}" if force else new)
        os.link(f"{OWN_DESCRIPTORS}/{file.fileno()}", there, dst_dir_fd=fd)
        if not force:
            return
        try:
            os.replace(there, new, src_dir_fd=fd, dst_dir_fd=fd)
        except OSError:  # a directory has the name
            self.remove(there)
            raise

    def remove(self, name: str) -> None:
        """Removes a file, if it is there."""
        where, fd = self._at(name)
        try:
            os.unlink(where, dir_fd=fd)
        except FileNotFoundError:
            return

    def remove_directory(self, name: str) -> None:
        """Removes a directory that is empty."""
        where, fd = self._at(name)
        os.rmdir(where, dir_fd=fd)

    def rename(self, name: str, new: str) -> None:
        """Gives a file or a directory another name, which is free."""
        where, fd = self._at(name)
        there, to = self._at(new)
        os.rename(where, there, src_dir_fd=fd, dst_dir_fd=to)

    def publish(self, name: str, to: Directory, new: str, force: bool) -> None:
        """Gives a file that is complete its name in another directory.

        Raises FileExistsError if it is taken, unless the file is to be in the place of what has it.
        """
        where, fd = self._at(name)
        there, to_fd = to._at(new)
        if force:
            os.replace(where, there, src_dir_fd=fd, dst_dir_fd=to_fd)
            return
        try:
            os.link(where, there, src_dir_fd=fd, dst_dir_fd=to_fd, follow_symlinks=False)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError, AttributeError):  # a file system, or a system, without hard links
            _rename_to_free(where, fd, there, to_fd)
        else:
            with contextlib.suppress(OSError):  # it has its name, whatever becomes of the other
                os.unlink(where, dir_fd=fd)


def other_name(name: str) -> str:
    """A name that is free, beside one that has been taken meanwhile."""
    stem, dot, ending = name.rpartition(".")
    token = secrets.token_hex(4)
    return f"{stem}-{token}{dot}{ending}" if stem else f"{name}-{token}"


def _rename_to_free(where: str, fd: int | None, there: str, to_fd: int | None) -> None:
    """As renameat2(2) with RENAME_NOREPLACE, or nearly so where the C library or the file system has none."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if fd is not None else None
    if call and not call(fd, os.fsencode(where), to_fd, os.fsencode(there), RENAME_NOREPLACE):
        return
    code = ctypes.get_errno() if call else errno.ENOSYS
    if code not in (errno.ENOSYS, errno.EINVAL):
        raise OSError(code, os.strerror(code))
    try:
        os.stat(there, dir_fd=to_fd, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(where, there, src_dir_fd=fd, dst_dir_fd=to_fd)
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def _is_root() -> bool:
    return HAS_DESCRIPTORS and os.geteuid() == 0
