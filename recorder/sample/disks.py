"""What disks did between snapshots, from /proc/diskstats, and which lie below others, from /sys/class/block.

Documentation/admin-guide/iostats.rst explains the fields. Nothing here opens a device or looks at the file of a loop
device: that file system may hang.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from sysmon.recorder.read.strings import escape

SECTOR, MS = 512, 1_000_000

CLASS = "/sys/class/block"

FIELDS = {
    "disk_reads": ((0,), 1),
    "disk_read_bytes": ((2,), SECTOR),
    "disk_read_ns": ((3,), MS),
    "disk_writes": ((4,), 1),
    "disk_write_bytes": ((6,), SECTOR),
    "disk_write_ns": ((7,), MS),
    "disk_merges": ((1, 5), 1),
    "disk_discards": ((11,), 1),
    "disk_discard_bytes": ((13,), SECTOR),
    "disk_flushes": ((15,), 1),
    "disk_busy_ns": ((9,), MS),
}
"""Column → fields of a device after its name, which are added, and their unit."""

IN_FLIGHT = 8

DESCRIBED_S = 10
"""How long what is known of a device is not looked at again."""


@dataclass(frozen=True)
class Device:
    """A device and its counts since it exists."""

    number: int
    counts: tuple[int, ...]

    def since(self, before: Device | None) -> dict[str, int | None]:
        """What it did since then. Counts of 32 bits may begin again: what cannot be is unknown."""
        was = before.counts if before and before.number == self.number else (0,) * len(self.counts)
        return {column: self._grew(fields, unit, was) for column, (fields, unit) in FIELDS.items()}

    def _grew(self, fields: tuple[int, ...], unit: int, was: tuple[int, ...]) -> int | None:
        if max(fields) >= len(self.counts):
            return None
        came = sum(self.counts[i] - was[i] for i in fields)
        return came * unit if came >= 0 else None


class Disks:
    """Makes the rows of `disk`."""

    def __init__(self) -> None:
        self._before = self._now = _devices()
        self._described: dict[str, tuple[int, dict[str, Any]]] = {}
        self._all = True

    def begin(self) -> None:
        """Counts from now on."""
        self._before = self._now = _devices()

    def look(self) -> None:
        """Reads the counts for the next rows: at the moment of a snapshot."""
        self._now = _devices()

    @property
    def in_flight(self) -> dict[int, int]:
        """Requests in flight on each whole disk, by device number, as of the last look; without flushes."""
        return {device.number: device.counts[IN_FLIGHT] for device in self._now.values()}

    def begin_file(self) -> None:
        """The next rows are those of another file, and have every device."""
        self._all = True

    def rows(self, ts: int) -> list[dict[str, Any]]:
        """A row for each device that has anything to say, as of the last look. `ts` is CLOCK_BOOTTIME ns."""
        before, now = self._before, self._now
        rows = []
        for name, device in now.items():
            in_flight = device.counts[IN_FLIGHT]
            is_same = name in before and before[name].counts == device.counts
            if is_same and not in_flight and not (self._all and any(device.counts)):
                continue
            did = device.since(before.get(name))
            rows.append(
                {"ts": ts, "disk_device": device.number, **self._describe(name, ts), **did, "disk_in_flight": in_flight}
            )
        for name in before.keys() - now.keys():
            gone = self._described.pop(name, (0, {"disk": name}))[1]
            rows.append({"ts": ts, "disk_device": before[name].number, **gone})
        self._before, self._all = now, False
        return rows

    def _describe(self, name: str, ts: int) -> dict[str, Any]:
        at, known = self._described.get(name, (0, {}))
        if not known or ts - at > DESCRIBED_S * 10**9:
            known = describe(name)
            self._described[name] = ts, known
        return known


def _devices() -> dict[str, Device]:
    """Every device that was ever used, by name."""
    found = {}
    try:
        with open("/proc/diskstats", encoding="ascii", errors="replace") as f:
            for line in f:
                major, minor, name, *counts = line.split()
                found[name] = Device(os.makedev(int(major), int(minor)), tuple(map(int, counts)))
    except OSError:  # no block layer
        return {}
    return found


def describe(name: str) -> dict[str, Any]:
    """What a device is: a partition of which, above which, with which file."""
    folder = f"{CLASS}/{name}"  # a slash in a name is ! here, as in /proc/diskstats
    is_part = os.path.exists(f"{folder}/partition")
    backing = _read(f"{folder}/loop/backing_file")
    below = [_device_of(backing)] if backing else sorted(_listed(f"{folder}/slaves"))
    return {
        "disk": name,
        "disk_part_of": os.path.basename(os.path.dirname(os.path.realpath(folder))) if is_part else None,
        "disks_below": ", ".join(filter(None, below)) or None,
        "backing_file": escape(backing) if backing else None,
    }


def _device_of(path: bytes) -> str | None:
    """Name of the device that a file is on, by the mounts: the file itself is not touched."""
    longest, number = -1, ""
    with open("/proc/self/mountinfo", "rb") as f:
        for line in f:
            words = line.split()
            folder = _unescaped(words[4]).rstrip(b"/")
            if path.startswith(folder + b"/") and len(folder) >= longest:  # the later of two covers the other
                longest, number = len(folder), words[2].decode()
    device = os.path.realpath(f"/sys/dev/block/{number}")
    return os.path.basename(device) if number and os.path.exists(device) else None


def _unescaped(mounted: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), mounted)


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as f:
            return f.read().rstrip(b"\n") or None
    except OSError:
        return None
