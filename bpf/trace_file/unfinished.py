"""Reads what a recording left that was cut off.

What is read may come from anybody, so nothing in it is believed before it is checked: time and memory have bounds,
and what was not written by a recorder is one line. `partial.py` and `journal.py` have the format.
"""

from __future__ import annotations

import contextlib
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from sysmon.bpf.trace_file import partial
from sysmon.bpf.trace_file.directory import Directory
from sysmon.bpf.trace_file.files import Files
from sysmon.bpf.trace_file.journal import Group
from sysmon.bpf.trace_file.log import Log
from sysmon.bpf.trace_file.metadata import RUNNING
from sysmon.bpf.trace_file.waiting import Waiting, merged
from sysmon.bpf.trace_file.walk import Unsafe
from sysmon.errors import SysmonError

TRIES = 5
"""So often a journal is read that its recorder changes meanwhile."""

NOTHING_YET = "the recording was interrupted before anything was written; remove it"


class BadPartial(SysmonError):
    """Nothing can be made of what is left of a recording."""


@contextlib.contextmanager
def understood(files: Files) -> Iterator[None]:
    """What is not as a recorder writes it is one line. Checksums tell damage; this is for what was made up.

    OSError with a number is of the file system, without one of Arrow.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
        raise BadPartial(f"{files.path}: cannot be understood ({_said(error)}); remove it") from None
    except struct.error as error:
        raise BadPartial(f"{files.path}: cannot be understood ({_said(error)}); remove it") from None
    except Unsafe as error:
        raise BadPartial(f"{files.path}: {error.strerror}; no recorder left it so: remove it") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise BadPartial(f"{files.path}: cannot be understood ({_said(error)}); remove it") from None


def _said(error: Exception) -> str:
    return " ".join(ascii(str(error))[1:-1].split())[:200] or type(error).__name__


@dataclass
class Partial:
    """What its files hold, as its last commit has it."""

    files: Files
    empty: bytes = b""  # a Parquet file without rows
    recording: dict[str, Any] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    waiting: dict[str, pa.Table] = field(default_factory=dict)  # rows of no row group, by kind
    expected: dict[str, int] = field(default_factory=dict)  # rows of each kind that were there at the commit
    opening: dict[str, pa.Table] = field(default_factory=dict)  # rows that only the first of several parts needs
    losses_before: list[dict[str, Any]] = field(default_factory=list)  # of parts before
    running: bool = False  # whether the recorder still writes it


class Following:
    """The files of a recording, read as far as its last commit, and later on from there.

    `partial` is what there is. Raises BadPartial, OSError.
    """

    def __init__(self, files: Files) -> None:
        self.partial = Partial(files)
        self._lacks = True  # rows that the last commit knows of
        with understood(files):
            self.log = Log(files)
            try:
                self._waiting = Waiting(files)
            except BaseException:
                self.log.close()
                raise

    def read(self) -> bool:
        """Takes what was committed meanwhile, and does not wait for more; whether there was anything.

        A recorder that still runs may change over to the other journal meanwhile; then it is read again.
        """
        found, changed = self.partial, False
        self._waiting.new = {}
        with understood(found.files):
            for tries in range(TRIES):
                found.running = partial.is_locked(self.log.file)
                turned, new = self._read_log()
                changed = changed or new or self._lacks
                if not (new or self._lacks):
                    break
                self._read_journal(anew=turned or tries > 0)
                self._lacks = bool(missing(found.expected, self.present()))
                if not (found.running and self._lacks):
                    break
        return changed

    def present(self) -> Counter[str]:
        """Rows of each kind that are there, without going through all row groups."""
        rows = Counter(self.log.rows)
        rows.update({kind: table.num_rows for kind, table in self.partial.waiting.items()})
        return rows

    @property
    def new(self) -> dict[str, list[pa.Table]]:
        """Rows that wait and came last, by kind; of a journal that was begun anew all that wait."""
        return self._waiting.new

    def close(self) -> None:
        """Reads nothing any more."""
        self.log.close()
        self._waiting.close()

    def _read_log(self) -> tuple[bool, bool]:
        """Whether the journals took turns, and whether something was committed."""
        found, log = self.partial, self.log
        turns = log.turns
        new = log.read()
        if not log.commit or not log.empty:
            raise BadPartial(f"{found.files.path}: {NOTHING_YET}")
        if not (new or self._lacks):
            return False, False
        found.empty, found.groups = log.empty, list(log.groups)
        found.losses_before = log.recording["losses"]
        found.recording = {**log.recording, **log.commit["changes"]}
        found.expected = dict(log.commit["rows"])
        return log.turns != turns, new

    def _read_journal(self, anew: bool) -> None:
        found, commit = self.partial, self.log.commit
        self._waiting.read(commit["journal"], commit["commit"], self.log.generations, anew)
        found.waiting, found.opening = self._waiting.rows(), self._waiting.opening()


def read(files: Files) -> Partial:
    """What is there of a recording up to its last commit. Raises BadPartial, OSError."""
    following = Following(files)
    try:
        following.read()
    finally:
        following.close()
    found = following.partial
    if found.running:
        found.recording["stopped_by"] = RUNNING
    return found


def read_parts(directories: list[Directory]) -> tuple[list[Partial], dict[str, Any]]:
    """The parts of one recording, and what the trace of all of them says of itself. Raises BadPartial, OSError."""
    parts = []
    for number, directory in enumerate(directories):
        try:
            parts.append(read(directory))
        except BadPartial:
            if number == 0 or directory is not directories[-1]:
                raise  # only the last may have been begun a moment before
    with understood(directories[0]):
        return parts, joined_recording(parts)


def joined_recording(parts: list[Partial]) -> dict[str, Any]:
    """What a trace of all parts says of itself. Of the first, what it opened with is counted to its rows."""
    first = parts[0]
    first.waiting = merged([first.waiting, first.opening])
    for kind, table in first.opening.items():
        first.expected[kind] = first.expected.get(kind, 0) + table.num_rows
    first.opening = {}
    last = parts[-1].recording
    before = {(loss["cause"], loss["place"]): loss["lost"] for loss in first.losses_before}
    losses = [{**loss, "lost": loss["lost"] - before.get((loss["cause"], loss["place"]), 0)} for loss in last["losses"]]
    losses = [loss for loss in losses if loss["lost"]]
    return {**last, "started_ns": first.recording["started_ns"], "losses": losses}


# -- what is there, and what is not


def present(parts: list[Partial]) -> dict[str, int]:
    """Rows of each kind that are there."""
    rows: Counter[str] = Counter()
    for part in parts:
        for group in part.groups:
            rows.update(group.rows)
        rows.update({kind: table.num_rows for kind, table in part.waiting.items()})
    return rows


def missing(expected: dict[str, int], found: dict[str, int]) -> dict[str, int]:
    """How many of each kind are not there."""
    left = {kind: count - found.get(kind, 0) for kind, count in expected.items()}
    return {kind: count for kind, count in left.items() if count}
