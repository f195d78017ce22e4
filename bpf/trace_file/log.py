"""The log of a recording that is not complete, read as far as its last commit, and later on from there.

What is read may come from anybody: time and memory have bounds. `journal.py` has the format.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sysmon.bpf.trace_file import journal
from sysmon.bpf.trace_file.files import Files
from sysmon.bpf.trace_file.journal import HEAD, Group
from sysmon.bpf.trace_file.partial import LOG

MOST_FRAMES = 1 << 22
"""Of a log. Commits every two seconds make as many in three months."""

MOST_GROUPS = 1 << 16
"""Row groups of a recording. A footer of so many is larger than what a reader takes."""

MOST_LOG_BYTES = 4 << 30

MOST_ROWS = 1 << 48
"""Of a kind: no recorder counts so far."""


class Log:
    """What the log has said so far. Raises ValueError, LookupError, TypeError for what no recorder writes, and OSError.

    It is held open: somebody may give its name to another.
    """

    def __init__(self, files: Files) -> None:
        self.file = files.reader(LOG)
        self._at = self._frames = 0
        self._waiting: list[tuple[Group, int]] = []  # written since the last commit
        self._places: list[int] = []  # where in the log each row group is
        self.empty = b""  # a Parquet file without rows
        self.recording: dict[str, Any] = {}  # as it was when it began
        self.groups: list[Group] = []  # without `said`, which `said` reads
        self.rows = Counter[str]()  # of each kind in them
        self.generations = Counter[str]()  # how many of them have rows of a kind
        self.commit: dict[str, Any] = {}  # the last
        self.turns = 0  # how often the journals took turns while it was read

    def read(self) -> bool:
        """Takes what was written meanwhile; whether something was committed."""
        commit = b""
        for kind, content in self._read():
            if kind == journal.SCHEMA:
                self.empty = content
            elif kind == journal.RECORDING:
                self.recording = json.loads(content)
            elif kind == journal.GROUP:
                self._waiting.append((_group(content), self._at))
            elif kind == journal.COMMIT:
                commit = content
                self._take(commit)
            if len(self.groups) + len(self._waiting) > MOST_GROUPS:
                raise ValueError(f"more than {MOST_GROUPS:,} row groups")
        if commit:
            self.commit = _commit(commit)
        return bool(commit)

    def said(self, number: int) -> bytes:
        """What a footer says of this row group; empty if an older recorder did not write it."""
        content = next(self._frames_at(self._places[number]))[1]
        text = json.loads(content).get("said")
        return journal.unpack(text) if text else b""

    def close(self) -> None:
        """Reads nothing any more."""
        self.file.close()

    def _take(self, commit: bytes) -> None:
        if self.commit:  # the first time only the last of very many matters
            found = _commit(commit)
            self.turns += found["journal"] != self.commit["journal"]
            self.commit = found
        for group, place in self._waiting:
            self.groups.append(group)
            self.rows.update(group.rows)
            self.generations.update(group.rows.keys())
            self._places.append(place)
        self._waiting.clear()

    def _read(self) -> Iterator[tuple[bytes, bytes]]:
        """The frames that are new. While one is looked at, `_at` is where it begins."""
        if os.fstat(self.file.fileno()).st_size > MOST_LOG_BYTES:
            raise ValueError("a log of more than 4 GiB")
        for kind, content in self._frames_at(self._at):
            self._frames += 1
            if self._frames > MOST_FRAMES:
                raise ValueError(f"more than {MOST_FRAMES:,} frames in its log")
            yield kind, content
            self._at += HEAD.size + len(content)

    def _frames_at(self, at: int) -> Iterator[tuple[bytes, bytes]]:
        with os.fdopen(os.dup(self.file.fileno()), "rb") as log:  # what was buffered may have been half a frame
            log.seek(at)
            yield from journal.frames(log)


def counts(rows: dict[str, int]) -> dict[str, int]:
    """Rows of each kind, if they can be that. Raises ValueError."""
    for count in rows.values():
        if type(count) is not int or not 0 <= count < MOST_ROWS:
            raise ValueError("an impossible number of rows")
    return rows


def _commit(content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(content)
    counts(found["rows"])
    return found


def _group(content: bytes) -> Group:
    group = replace(Group(**json.loads(content)), said="")
    counts(group.rows)
    for place in (group.begin, group.end, group.crc):
        if type(place) is not int:
            raise ValueError("a row group without a position")
    for time in (group.first_ns, group.last_ns):
        if type(time) not in (int, type(None)):
            raise ValueError("an impossible time")
    return group
