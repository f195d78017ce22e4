"""Where a reader of an unfinished recording finds its files: in a directory, or handed over by who may open that."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from sysmon.bpf.trace_file.walk import Unsafe


class Files(Protocol):
    """The files of a part, by the names that `partial.py` has. `Directory` is one."""

    @property
    def path(self) -> Path:
        """For messages."""

    def reader(self, name: str) -> BinaryIO:
        """A regular file to be read. Raises FileNotFoundError, Unsafe."""

    def close(self) -> None:
        """Lets them go; what was opened stays open."""


class HandedFiles:
    """Files that were handed over as descriptors, to a process that cannot open their names.

    They stay readable when their names are gone.
    """

    def __init__(self, path: Path, descriptors: Mapping[str, int]) -> None:
        """`path`: of their directory, for messages. The descriptors are closed with this."""
        self.path = path
        self._descriptors = dict(descriptors)

    def reader(self, name: str) -> BinaryIO:
        """A regular file to be read. Raises FileNotFoundError, Unsafe."""
        if name not in self._descriptors:
            raise FileNotFoundError(name)
        given = self._descriptors[name]
        if not stat.S_ISREG(os.fstat(given).st_mode):
            raise Unsafe(f"{name} is not a regular file")
        return os.fdopen(os.dup(given), "rb")

    def duplicate(self) -> HandedFiles:
        """The same, to be closed by itself."""
        return HandedFiles(self.path, {name: os.dup(fd) for name, fd in self._descriptors.items()})

    def close(self) -> None:
        """Closes them; what `reader` returned stays open."""
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])
