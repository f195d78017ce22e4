"""Functions that a process compiled for itself, as its runtime lists them in /tmp/perf-PID.map."""

from __future__ import annotations

import bisect
import os
from operator import itemgetter

from sysmon.recorder.symbols.files import Refused, Root

BYTES = 64 << 20
"""How much of a list is read."""

FUNCTIONS = 1 << 20
"""Maximum number of functions of a list."""

NAME_BYTES = 4096

ABSENT = "code without a file; no perf map"
CUT = "code without a file; its perf map is too long"
UNKNOWN = "code without a file; not in its perf map"

Identity = tuple[int, int]
"""Device and inode."""


class PerfMap:
    """A list, as far as it is written by now: `more` reads on."""

    def __init__(self) -> None:
        self._functions: list[tuple[int, int, bytes]] = []  # begin, end and name, in the order of `begin`
        self._at, self._rest = 0, b""
        self.is_cut = False

    @property
    def read_bytes(self) -> int:
        """How much has been read."""
        return self._at

    def more(self, fd: int) -> None:
        """Reads what has been added since the last call."""
        while self._at < BYTES and (part := os.pread(fd, min(1 << 20, BYTES - self._at), self._at)):
            self._at += len(part)
            *lines, rest = (self._rest + part).split(b"\n")
            # What is left of a line that is too long is read as another, which has no name that it could give.
            self._rest = rest if len(rest) <= NAME_BYTES else b""
            self._functions += filter(None, map(_parsed, lines[: FUNCTIONS - len(self._functions)]))
        self.is_cut = self._at >= BYTES or len(self._functions) >= FUNCTIONS
        self._functions.sort(key=itemgetter(0))  # stable: of two at an address, the later one is the last

    def of(self, address: int) -> str | None:
        """The name of the function that contains the address: of several, that which begins last."""
        at = bisect.bisect_right(self._functions, address, key=itemgetter(0)) - 1
        if at < 0 or address >= self._functions[at][1]:
            return None
        return self._functions[at][2].decode("utf-8", "replace")


def _parsed(line: bytes) -> tuple[int, int, bytes] | None:
    words = line.split(b" ", 2)
    try:
        begin, size = int(words[0], 16), int(words[1], 16)
        return begin, begin + size, words[2][:NAME_BYTES]
    except (ValueError, IndexError):
        return None


class PerfMaps:
    """The lists of the processes that were asked for last."""

    KEPT = 4

    def __init__(self) -> None:
        self._kept: dict[Identity, PerfMap] = {}

    def of(self, root: Root, ns_pid: int) -> PerfMap | None:
        """The list of a process, by its pid in its own namespace; None: it has none that may be read."""
        try:
            fd = root.written(b"/tmp", b"perf-%d.map" % ns_pid)
        except Refused:
            return None
        try:
            return self._read(fd)
        finally:
            os.close(fd)

    def _read(self, fd: int) -> PerfMap:
        status = os.fstat(fd)
        name = (status.st_dev, status.st_ino)
        found = self._kept.pop(name, None)
        if found is None or found.read_bytes > status.st_size:  # it was written anew
            found = PerfMap()
        self._kept[name] = found
        while len(self._kept) > self.KEPT:
            del self._kept[next(iter(self._kept))]
        found.more(fd)
        return found
