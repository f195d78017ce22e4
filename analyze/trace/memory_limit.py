"""How much memory a process may use: the machine's, or less if one of its control groups has a lower limit."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc/self")

LIMITS = {"cgroup2": "memory.max", "cgroup": "memory.limit_in_bytes"}
"""Control group file system type → the file with a group's limit; Documentation/admin-guide/cgroup-v2.rst,
cgroup-v1/memory.rst. In version 1 only the hierarchy of the controller `memory` has it.
"""


def available_bytes(proc: Path = PROC) -> int:
    """The machine's memory, or the smallest limit of this process's groups, if that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_limits(proc)])


def _limits(proc: Path) -> Iterator[int]:
    for top, group, file in _groups(proc):
        folder = top / group
        while True:
            with contextlib.suppress(OSError, ValueError):  # the root has none, and "max" means none
                yield int((folder / file).read_text())
            if folder == top:
                break
            folder = folder.parent


def _groups(proc: Path) -> Iterator[tuple[Path, str, str]]:
    """Mount point of each hierarchy, this process's group below it, and the file's name."""
    try:
        lines = (proc / "cgroup").read_text(errors="surrogateescape").splitlines()
        mounts = (proc / "mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return
    groups = {tuple(controllers.split(",")): path for _, controllers, path in (x.split(":", 2) for x in lines)}
    for words in map(str.split, mounts):
        kind = words[words.index("-") + 1]
        controllers = "memory" if kind == "cgroup" else ""
        path = next((path for names, path in groups.items() if controllers in names), None)
        if kind in LIMITS and path is not None and (kind == "cgroup2" or "memory" in words[-1].split(",")):
            # In a container only its own groups may be mounted: then the path is below the mount's root.
            root = words[3].rstrip("/")
            inside = path.removeprefix(root) if path == root or path.startswith(f"{root}/") else ""
            yield Path(_unescaped(words[4])), inside.strip("/"), LIMITS[kind]


def _unescaped(name: str) -> str:
    """The name with \\NNN decoded; "mangle" in fs/proc_namespace.c."""
    return name.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
