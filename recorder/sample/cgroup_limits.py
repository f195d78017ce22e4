"""Control groups with limits, from the file systems of both versions.

Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/blkio-controller.rst explain the files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sysmon.bpf.kinds.cgroup_limits import HIERARCHIES, MOST_GROUPS
from sysmon.recorder.read.strings import escape

LOOK_S = 10
"""How often new groups are looked for."""

UNIFIED, CPU, BLKIO = HIERARCHIES

THROTTLES = ("read_bps", "write_bps", "read_iops", "write_iops")
"""Files of version 1 are blkio.throttle.NAME_device; version 2 calls them rbps, wbps, riops, wiops."""

US = 1000


@dataclass
class _Group:
    """A group with a limit, and its counts when they were read last."""

    hierarchy: str
    folder: str
    path: str
    number: int
    counts: tuple[int, int, int] | None = None
    limits: dict[str, Any] = field(default_factory=dict)


class CgroupLimits:
    """Makes the rows of `cgroup_limit`."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, int], _Group] = {}
        self._looked = 0
        self._roots = _roots()
        self._tell_roots = True

    def begin(self, ts: int) -> None:
        """Counts from now on [ns, CLOCK_BOOTTIME]."""
        self._look(ts)

    def begin_file(self) -> None:
        """The next rows are those of another file."""
        self._tell_roots = True

    def rows(self, ts: int) -> list[dict[str, Any]]:
        """A row for each group with a limit, and at first for each root of version 1."""
        rows = [self._root(ts, *root) for root in self._roots if self._tell_roots and root[0] != UNIFIED]
        for key, group in list(self._groups.items()):
            try:
                rows.append({"ts": ts, **_named(group), **group.limits, **_came(group)})
            except OSError:  # it is gone
                del self._groups[key]
        self._tell_roots = False
        if ts - self._looked > LOOK_S * 10**9:
            self._look(ts)
        return rows

    def _root(self, ts: int, hierarchy: str, root: str) -> dict[str, Any]:
        return {"ts": ts, **_named(_Group(hierarchy, root, "/", os.stat(root).st_ino))}

    def _look(self, ts: int) -> None:
        """Finds groups with limits. What a new one had before is not counted."""
        self._looked = ts
        before, self._groups = self._groups, {}
        for hierarchy, root in self._roots:
            for folder in _folders(root):
                try:
                    limits, number = _limits(hierarchy, folder), os.stat(folder).st_ino
                    if not limits:
                        continue
                    path = escape(os.fsencode(folder.removeprefix(root) or "/"))
                    group = before.get((hierarchy, number)) or _Group(hierarchy, folder, path, number, _counts(folder))
                except (OSError, ValueError):  # it is gone
                    continue
                group.limits = limits
                self._groups[hierarchy, number] = group


def _roots() -> list[tuple[str, str]]:
    """Where each hierarchy is mounted."""
    found: dict[str, str] = {}
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as f:
        for line in f:
            _device, folder, kind, options, *_ = line.split()
            if kind == "cgroup2":
                found.setdefault(UNIFIED, folder)
            for controller in (CPU, BLKIO) if kind == "cgroup" else ():
                if controller in options.split(","):
                    found.setdefault(controller, folder)
    return list(found.items())


def _folders(root: str) -> Iterator[str]:
    left = MOST_GROUPS
    for folder, _folders, _files in os.walk(root):
        if folder != root:
            yield folder
            left -= 1
        if not left:
            return


def _named(group: _Group) -> dict[str, Any]:
    return {"hierarchy": group.hierarchy, "limited_group": group.number, "cgroup_path": group.path}


def _limits(hierarchy: str, folder: str) -> dict[str, Any]:
    """Columns of a group's limits; empty if it has none."""
    found: dict[str, Any] = {}
    if hierarchy == UNIFIED:
        quota, _, period = _text(folder, "cpu.max").partition(" ")
        io = _text(folder, "io.max")
    else:
        quota, period = (
            _text(folder, f"cpu.cfs_{name}_us") if hierarchy == CPU else "" for name in ("quota", "period")
        )
        io = "\n".join(_throttles(folder)) if hierarchy == BLKIO else ""
    if quota.isdigit():
        found |= {"quota_ns": int(quota) * US, "period_ns": int(period) * US}
    limited = [line for line in (_without_none(line) for line in io.splitlines()) if line]
    if limited:
        found["io_limits"] = "; ".join(sorted(limited))
    return found


def _throttles(folder: str) -> Iterator[str]:
    """The limits of version 1 as version 2 writes them."""
    for name in THROTTLES:
        word, unit = name.split("_")
        for line in _text(folder, f"blkio.throttle.{name}_device").splitlines():
            device, limit = line.split()
            yield f"{device} {word[0]}{unit}={limit}"


def _without_none(line: str) -> str:
    """A line of io.max without what is not limited; empty if nothing is."""
    device, *words = line.split()
    limits = [word for word in words if not word.endswith("=max")]
    return " ".join([device, *limits]) if limits else ""


def _came(group: _Group) -> dict[str, int]:
    """What its quota did since the last call."""
    before, group.counts = group.counts, _counts(group.folder)
    if group.counts is None or before is None:
        os.stat(group.folder)
        return {}
    came = [max(0, now - was) for now, was in zip(group.counts, before, strict=True)]
    return dict(zip(("quota_periods", "throttled_periods", "throttled_ns"), came, strict=True))


def _counts(folder: str) -> tuple[int, int, int] | None:
    """Periods, throttled periods and throttled time [ns] of a group since it exists; None if it has no such counts."""
    stat = dict(line.split() for line in _text(folder, "cpu.stat").splitlines())
    if "nr_periods" not in stat:
        return None
    ns = int(stat["throttled_time"]) if "throttled_time" in stat else int(stat["throttled_usec"]) * US
    return int(stat["nr_periods"]), int(stat["nr_throttled"]), ns


def _text(folder: str, name: str) -> str:
    """The text of a file; empty if there is none."""
    try:
        with open(f"{folder}/{name}", encoding="ascii") as f:
            return f.read().strip()
    except FileNotFoundError:
        return ""
