"""The hidden directory of a trace being written: created, held open, and removed once the trace has its name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NoReturn

from sysmon.bpf.trace_file import atomic, partial
from sysmon.bpf.trace_file.directory import Directory, Exchanged
from sysmon.errors import CannotWrite

TRIES = 20
"""How many directory names to try, should another user exchange the directory right after it is made."""


class Hidden:
    """The directory and its open files. Raises OSError."""

    def __init__(self, path: Path, parent: Directory, tokens: Iterator[str]) -> None:
        """`path` is the trace's destination, `parent` its directory; `tokens` are tried one after the other."""
        self._path, self._parent = path, parent
        self._directory = self._make(tokens)
        try:
            self.rows, self.log, *self.journals = map(
                self._directory.create, (partial.ROWS, partial.LOG, *partial.JOURNALS)
            )
        except OSError:
            self.remove()
            self._directory.close()
            raise

    def _make(self, tokens: Iterator[str]) -> Directory:
        for tries_left in reversed(range(TRIES)):
            self._name = f".{self._path.name}.{next(tokens)}{partial.SUFFIX}"
            try:
                return self._parent.make(self._name)
            except Exchanged:
                if not tries_left:
                    raise
        raise AssertionError

    @property
    def path(self) -> Path:
        """Path of the directory, for messages."""
        return self._path.with_name(self._name)

    def readers(self) -> list[BinaryIO]:
        """Its files, opened for reading."""
        return partial.readers(self._directory)

    def duplicate(self) -> Directory:
        """A second handle of the directory."""
        return self._directory.duplicate()

    def descriptors(self) -> list[int]:
        """Descriptors of the rows and both directories."""
        return [self.rows.fileno(), self._parent.fileno(), self._directory.fileno()]

    def publish(self, *, force: bool) -> str:
        """Gives the rows their name, or another if it is taken. Returns the name used. Raises CannotWrite."""
        os.fsync(self.rows.fileno())
        if not self._is_there():
            self._rescue()
        return atomic.first_free(self._publish_as, self._path.name, force=force)

    def _publish_as(self, name: str, force: bool) -> None:
        self._directory.publish(partial.ROWS, self._parent, name, force)

    def _is_there(self) -> bool:
        """Whether the file of rows still has its name in the directory."""
        try:
            found = self._directory.status(partial.ROWS)
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(self.rows.fileno()))

    def _rescue(self) -> NoReturn:
        """Somebody removed the directory, but what is still open can be copied."""
        kept = atomic.copy_to_temporary(self.rows, self._path.name)
        raise CannotWrite(f"{self.path} was removed: the trace is in {kept}")

    def remove(self) -> None:
        """Removes the directory. It may be gone already, and the disk may be full."""
        with contextlib.suppress(OSError):
            partial.remove(self._parent, self._name, self._directory)

    def close(self) -> None:
        """Closes everything. After this nothing is done by any name."""
        with contextlib.suppress(OSError):  # an unwritten rest does not matter any more
            self.rows.close()
        self._directory.close()
        self._parent.close()
