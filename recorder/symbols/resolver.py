"""Tells where in which file an address of a process is. Names of functions in processes are not read."""

from __future__ import annotations

import os
import re
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from sysmon.recorder.symbols.wire import Frame

__all__ = ["Frame", "Resolved", "Resolver"]

NOT_READ = "symbols of programs are not read"
NO_FILE = "code that is in no file"
NOT_CODE = "no code is there"

MAPS_BYTES = 1 << 20
"""Of the list of a process's mappings, how much is read: some 10,000."""

CODE = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) ..x. ([0-9a-f]+) \S+ \d+ *(.*)$", re.MULTILINE)
"""A line of what may be run: begin, end, offset in the file, path."""

SHARE, BURST_S = 0.005, 0.1
"""Of one CPU, how much of the time reading may take, and how much it may take at once."""

TOO_MANY = "too many processes at a time"

FRESH_S = 0.25
"""How long mappings are good for addresses that are in none of them, as of programs without frame pointers."""

CACHED = 256
"""Processes whose mappings are remembered."""


@dataclass(frozen=True)
class Resolved:
    """An address of a process. `frames`: the innermost inlined one first. `missing`: what is not known, and why."""

    pid: int
    start: int
    address: int
    frames: tuple[Frame, ...]
    missing: str | None


@dataclass(frozen=True)
class _Mapping:
    begin: int
    end: int
    offset: int
    path: str


@dataclass(frozen=True)
class _Mappings:
    program: str
    read: float
    found: list[_Mapping]

    def of(self, address: int) -> _Mapping | None:
        at = bisect_right(self.found, address, key=attrgetter("begin")) - 1
        return self.found[at] if at >= 0 and address < self.found[at].end else None


class Resolver:
    """Reads /proc/PID/maps; `poll` has the answers."""

    def __init__(self) -> None:
        self._found: list[Resolved] = []
        self._mappings: OrderedDict[tuple[int, int], _Mappings] = OrderedDict()
        self._began = time.monotonic()
        self._used_s = 0.0

    def ask(self, pid: int, start: int, _uid: int, addresses: Collection[int]) -> None:
        """Asks for addresses of code."""
        try:
            mappings = self._of((pid, start), addresses)
        except OSError as error:
            self._found += [Resolved(pid, start, address, (), f"mappings: {error.strerror}") for address in addresses]
            return
        for address in addresses:
            self._found.append(Resolved(pid, start, address, *_in(mappings, address)))

    def _of(self, process: tuple[int, int], addresses: Collection[int]) -> _Mappings | None:
        """The mappings of a process, read again if an address is in none of them. None: no time for that is left."""
        program, now = os.readlink(f"/proc/{process[0]}/exe"), time.monotonic()
        known = self._mappings.get(process)
        if known and known.program == program and (now < known.read + FRESH_S or all(map(known.of, addresses))):
            return known
        if self._used_s > BURST_S + SHARE * (now - self._began):
            return None
        known = self._mappings[process] = _Mappings(program, now, _code(process[0]))
        self._used_s += time.monotonic() - now
        if len(self._mappings) > CACHED:
            self._mappings.popitem(last=False)
        return known

    def poll(self) -> list[Resolved]:
        """The answers since the last call."""
        found, self._found = self._found, []
        return found

    def close(self, _wait_s: float) -> None:
        """Nothing is open."""


def _in(mappings: _Mappings | None, address: int) -> tuple[tuple[Frame, ...], str]:
    if mappings is None:
        return (), TOO_MANY
    mapping = mappings.of(address)
    if not mapping or not mapping.path:
        return (), NO_FILE if mapping else NOT_CODE
    offset = address - mapping.begin + mapping.offset
    return (Frame("", mapping.path, None, offset, None, None),), NOT_READ


def _code(pid: int) -> list[_Mapping]:
    """What may be run as code, by address. Raises OSError."""
    with open(Path("/proc", str(pid), "maps"), "rb") as file:
        return [_mapping(*found) for found in CODE.findall(file.read(MAPS_BYTES))]


def _mapping(begin: bytes, end: bytes, offset: bytes, path: bytes) -> _Mapping:
    name = path.decode("utf-8", "backslashreplace").removesuffix(" (deleted)")
    return _Mapping(int(begin, 16), int(end, 16), int(offset, 16), name)
