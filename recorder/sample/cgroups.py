"""Control groups of the unified hierarchy, by id, from its file system.

The id is the inode of the group's directory (cgroup_id(), include/linux/cgroup.h).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from typing import Any

from sysmon.recorder.read.strings import escape
from sysmon.recorder.sample import procfs


@cache
def mount_point() -> str | None:
    """Where the hierarchy is mounted; None if nowhere."""
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as f:
        return next((words[1] for words in map(str.split, f) if words[2] == "cgroup2"), None)


def folders() -> Iterator[tuple[str, str]]:
    """The folder of every group, and the group's path below the root."""
    root = mount_point()
    if root is not None:
        for folder, _folders, _files in os.walk(root):
            yield folder, folder.removeprefix(root) or "/"


def rows(ts: int) -> list[dict[str, Any]]:
    """Rows of the kind `cgroup` for every existing group. `ts` is CLOCK_BOOTTIME ns."""
    found = []
    for folder, path in folders():
        try:
            row = {"ts": ts, "cgroup_id": os.stat(folder).st_ino, "cgroup_path": escape(os.fsencode(path))}
            found.append(row)
        except FileNotFoundError:
            continue  # removed meanwhile
    return found


def id_of(pid: int) -> int | None:
    """Id of a process's group; None if it has ended or its group is not visible from here."""
    root = mount_point()
    try:
        with open(f"{procfs.living(pid)}/cgroup", "rb") as f:
            path = next((line[3:].rstrip(b"\n") for line in f if line.startswith(b"0::")), None)
        return None if root is None or path is None else os.stat(os.fsencode(root) + path).st_ino
    except OSError:
        return None
