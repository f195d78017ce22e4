"""Rows of the kind `process`: what is alive when a recording begins or ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sysmon.recorder.read.strings import escape
from sysmon.recorder.sample import cgroups, procfs

TITLE_REST = 3
"""A word followed by only this many empty arguments is taken for what is left of a longer command line."""

PIECE = 64
"""Processes read before other work may run: a quarter of a millisecond each."""


def rows(
    edge: str,
    ts: int,
    live: Iterable[procfs.Process],
    meanwhile: Callable[[], object] = lambda: None,
) -> list[dict[str, Any]]:
    """A row for each live process. `ts` is CLOCK_BOOTTIME ns. `meanwhile` is called now and then."""
    alive = {}
    for n, p in enumerate(live, 1):
        alive[p.pid] = p
        if n % PIECE == 0:
            meanwhile()
    found = []
    for n, p in enumerate(alive.values(), 1):
        found.append(_row(edge, ts, p, alive))
        if n % PIECE == 0:
            meanwhile()
    return found


def arguments(area: bytes) -> list[bytes]:
    """The arguments in a process's argument area, or the title that the process has written there, as ps shows it.

    A process that writes a title clears the rest of the area, so it looks like one argument followed by many empty
    ones.
    """
    parts = area.removesuffix(b"\0").split(b"\0")
    first, rest = parts[0], parts[1:]
    is_title = bool(rest) and not any(rest) and (b" " in first or len(rest) >= TITLE_REST)
    return [first] if is_title else parts


def _row(edge: str, ts: int, p: procfs.Process, alive: dict[int, procfs.Process]) -> dict[str, Any]:
    argv, parent_start = p.program.argv, p.parent_start
    if parent_start is None and (parent := alive.get(p.ppid) or procfs.process(p.ppid)):
        parent_start = parent.start
    return {
        "ts": ts,
        "pid": p.pid,
        "start": p.start,
        "ppid": p.ppid,
        "parent_start": parent_start,
        "uid": p.ids.uid,
        "comm": escape(p.comm),
        "edge": edge,
        "state": p.state,
        "path": None if p.program.path is None else escape(p.program.path),
        "argv": None if argv is None else [escape(a) for a in arguments(argv[: procfs.ARGV_BYTES])],
        "argv_truncated": None if argv is None else len(argv) > procfs.ARGV_BYTES,
        "kernel_thread": p.kernel_thread,
        "threads": p.threads,
        "cpu_ns": p.cpu_ns,
        "cgroup_id": cgroups.id_of(p.pid) if p.cgroup_id is None else p.cgroup_id,
        "ns_pid": p.ids.ns_pid,
        "device": p.program.file and p.program.file[0],
        "inode": p.program.file and p.program.file[1],
        "mount_namespace": p.program.mount_namespace,
        "euid": p.ids.euid,
        "gid": p.ids.gid,
        "egid": p.ids.egid,
    }
