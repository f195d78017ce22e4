"""Reads what a recording left that was cut off.

What is read may come from anybody, so nothing in it is believed before it is checked: time and memory have bounds,
and what was not written by a recorder is one line. `partial.py` and `journal.py` have the format.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from sysmon.bpf.trace_file import journal, partial
from sysmon.bpf.trace_file.directory import Directory
from sysmon.bpf.trace_file.journal import Group
from sysmon.bpf.trace_file.metadata import RUNNING
from sysmon.bpf.trace_file.partial import LOG
from sysmon.bpf.trace_file.waiting import Waiting, merged
from sysmon.bpf.trace_file.walk import Unsafe
from sysmon.errors import SysmonError

MOST_FRAMES = 1 << 22
"""Of a log. Commits every two seconds make as many in three months."""

MOST_GROUPS = 1 << 16
"""Row groups of a recording. A footer of so many is larger than what a reader takes."""

MOST_LOG_BYTES = 4 << 30

MOST_ROWS = 1 << 48
"""Of a kind: no recorder counts so far."""


class BadPartial(SysmonError):
    """Nothing can be made of what is left of a recording."""


@contextlib.contextmanager
def understood(directory: Directory) -> Iterator[None]:
    """What is not as a recorder writes it is one line. Checksums tell damage; this is for what was made up.

    OSError with a number is of the file system, without one of Arrow.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
        raise BadPartial(f"{directory.path}: cannot be understood ({_said(error)}); remove it") from None
    except struct.error as error:
        raise BadPartial(f"{directory.path}: cannot be understood ({_said(error)}); remove it") from None
    except Unsafe as error:
        raise BadPartial(f"{directory.path}: {error.strerror}: a recorder did not leave it so; remove it") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise BadPartial(f"{directory.path}: cannot be understood ({_said(error)}); remove it") from None


def _said(error: Exception) -> str:
    return " ".join(ascii(str(error))[1:-1].split())[:200] or type(error).__name__


@dataclass
class Partial:
    """What a directory holds, as its last commit has it."""

    directory: Directory
    empty: bytes = b""  # a Parquet file without rows
    recording: dict[str, Any] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    waiting: dict[str, pa.Table] = field(default_factory=dict)  # rows of no row group, by kind
    expected: dict[str, int] = field(default_factory=dict)  # rows of each kind that were there at the commit
    opening: dict[str, pa.Table] = field(default_factory=dict)  # rows that only the first of several parts needs
    losses_before: list[dict[str, Any]] = field(default_factory=list)  # of parts before
    running: bool = False  # whether the recorder still writes it


def read(directory: Directory) -> Partial:
    """What is there of a recording up to its last commit. Raises BadPartial, OSError.

    A recorder that still runs may change over to the other journal meanwhile; then it is read again.
    """
    for _ in range(5):
        with understood(directory):
            found, commit = _read_log(directory)
            found.running = partial.is_running(directory)
            _read_journal(found, commit)
            if not found.running or not missing(found.expected, present([found])):
                break
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
        return parts, _joined_recording(parts)


def _joined_recording(parts: list[Partial]) -> dict[str, Any]:
    first = parts[0]
    first.waiting = merged([first.waiting, first.opening])
    for kind, table in first.opening.items():
        first.expected[kind] = first.expected.get(kind, 0) + table.num_rows
    last = parts[-1].recording
    before = {(loss["cause"], loss["place"]): loss["lost"] for loss in first.losses_before}
    losses = [{**loss, "lost": loss["lost"] - before.get((loss["cause"], loss["place"]), 0)} for loss in last["losses"]]
    losses = [loss for loss in losses if loss["lost"]]
    return {**last, "started_ns": first.recording["started_ns"], "losses": losses}


# -- the log


def _read_log(directory: Directory) -> tuple[Partial, dict[str, Any]]:
    """What the log has, and its last commit."""
    found = Partial(directory)
    groups: list[Group] = []
    commit, committed = b"", 0  # the last one, and the row groups that it knows
    for kind, content in _frames(directory):
        if kind == journal.SCHEMA:
            found.empty = content
        elif kind == journal.RECORDING:
            found.recording = json.loads(content)
        elif kind == journal.GROUP:
            groups.append(_group(content))
        elif kind == journal.COMMIT:
            commit, committed = content, len(groups)
        if len(groups) > MOST_GROUPS:
            raise ValueError(f"more than {MOST_GROUPS:,} row groups")
    if not commit or not found.empty:
        raise BadPartial(f"{directory.path}: the recording was interrupted before anything was written; remove it")
    found.groups = groups[:committed]
    return found, _update(found, json.loads(commit))


def _frames(directory: Directory) -> Iterator[tuple[bytes, bytes]]:
    """Of the log."""
    with directory.reader(LOG) as log:
        if os.fstat(log.fileno()).st_size > MOST_LOG_BYTES:
            raise ValueError("a log of more than 4 GiB")
        for number, each in enumerate(journal.frames(log)):
            if number >= MOST_FRAMES:
                raise ValueError(f"more than {MOST_FRAMES:,} frames in its log")
            yield each


def _update(found: Partial, commit: dict[str, Any]) -> dict[str, Any]:
    """As the commit has it, which is returned."""
    found.losses_before = found.recording["losses"]
    found.recording.update(commit["changes"])
    found.expected = _counts(commit["rows"])
    return commit


def _group(content: bytes) -> Group:
    group = Group(**json.loads(content))
    _counts(group.rows)
    return group


def _counts(rows: dict[str, int]) -> dict[str, int]:
    """Rows of each kind, if they can be that. Raises ValueError."""
    for count in rows.values():
        if type(count) is not int or not 0 <= count < MOST_ROWS:
            raise ValueError("a number of rows that cannot be")
    return rows


def _read_journal(found: Partial, commit: dict[str, Any]) -> None:
    waiting = Waiting()
    groups = Counter(kind for group in found.groups for kind in group.rows)
    waiting.read(found.directory, commit["journal"], commit["commit"], groups)
    found.waiting, found.opening = waiting.rows(), waiting.opening()


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
