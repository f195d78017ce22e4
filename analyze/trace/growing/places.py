"""Where the parts of a recording that still runs come from: directories that can be named, or what was handed over.

A viewer may not be allowed to open the names. What it has been handed stays readable when the recording is over and its
names are gone: the row groups of the finished file are those of `rows`, and what follows them was waiting.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from sysmon.analyze.trace.source import identity, inspect
from sysmon.bpf.trace_file import partial
from sysmon.bpf.trace_file.directory import Directory
from sysmon.bpf.trace_file.files import Files, HandedFiles
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.bpf.trace_file.unfinished import Partial
from sysmon.errors import SysmonError


class Place(Protocol):
    """The parts of a recording. `path`: of the file that it is to become."""

    path: Path

    def names(self) -> list[str]:
        """Those that there are now, in order; the last is being written. Raises OSError."""

    def open(self, name: str) -> Files:
        """The files of a part. Raises OSError."""

    def runs(self, last: Partial) -> bool:
        """Whether more may come."""

    def finished(self, recording: Recording, rows: BinaryIO | None) -> Path | None:
        """The file that the recording has become, once it is over; `rows`: of its last part."""

    def close(self) -> None:
        """Looks for nothing any more."""


class NamedParts:
    """Directories beside the file."""

    def __init__(self, parent: Directory, names: Sequence[str]) -> None:
        self._parent, self._first = parent.duplicate(), list(names)
        self._name = partial.wanted(names[0])
        self.path = parent.path.resolve() / self._name

    def names(self) -> list[str]:
        """Those that there are now, in order. Raises OSError."""
        if not partial.is_numbered(self._first[0]):
            return self._first
        token = partial.token(self._first[0])
        found = [parts for parts in partial.names_of(self._parent, self._name) if partial.token(parts[0]) == token]
        return found[0] if found else []

    def open(self, name: str) -> Files:
        """The directory. Raises OSError."""
        return self._parent.subdirectory(name)

    def runs(self, last: Partial) -> bool:
        """Whether its recorder holds the lock."""
        return last.running

    def finished(self, recording: Recording, rows: BinaryIO | None) -> Path | None:
        """The file that the recording has become; None if its recorder has not made it, or will not."""
        for name in (self._name, *self._names_of(rows)):
            path = self._parent.path / name
            if path.is_file() and _is_of(path, recording):
                return path
        return None

    def _names_of(self, rows: BinaryIO | None) -> list[str]:
        """Names that the rows have by now: another file may have taken theirs."""
        if rows is None:
            return []
        mine = os.fstat(rows.fileno())
        return [name for name in self._parent.names() if self._is_at(name, mine)]

    def _is_at(self, name: str, mine: os.stat_result) -> bool:
        try:
            return os.path.samestat(self._parent.status(name), mine)
        except FileNotFoundError:  # removed meanwhile
            return False

    def close(self) -> None:
        """Looks for nothing any more."""
        self._parent.close()


def _is_of(path: Path, recording: Recording) -> bool:
    try:
        found = inspect(path)
    except SysmonError:
        return False
    try:
        whole = found.recording["ended_ns"] >= recording["ended_ns"]
        return whole and identity(found.recording) == identity(recording)
    finally:
        found.discard()


class HandedParts:
    """What a recorder handed over; who talks to it says what comes, goes, and when it is over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parts: dict[str, HandedFiles] = {}
        self._is_over = False

    def came(self, name: str, descriptors: Mapping[str, int]) -> None:
        """A part was begun. Its descriptors, by the names of the files, are closed when it is gone."""
        self.gone(name)
        self._parts[name] = HandedFiles(self.path.with_name(name), descriptors)

    def gone(self, name: str) -> None:
        """A part is no longer kept."""
        if name in self._parts:
            self._parts.pop(name).close()

    def over(self) -> None:
        """Nothing comes any more."""
        self._is_over = True

    def names(self) -> list[str]:
        """Those that are kept, in order."""
        return list(self._parts)

    def open(self, name: str) -> Files:
        """The files of a part, to be closed by themselves."""
        return self._parts[name].duplicate()

    def runs(self, last: Partial) -> bool:
        """Between two parts, too, when no recorder holds a lock."""
        return not self._is_over

    def finished(self, recording: Recording, rows: BinaryIO | None) -> Path | None:
        """None: a name could not be opened. What is here stays."""
        return None

    def close(self) -> None:
        """Closes all."""
        for name in list(self._parts):
            self.gone(name)
