"""Rows of the kind `process`: what is alive when a recording begins or ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bpf.kind import TICK_NS
from recorder import cgroups, procfs
from recorder.decode import escape

PIECE = 64
"""Processes that are looked at before something else may be due: a quarter of a millisecond each."""


def rows(
    edge: str,
    ts: int,
    chosen: list[int] | None,
    before: frozenset[int] = frozenset(),
    meanwhile: Callable[[], object] = lambda: None,
) -> list[dict[str, Any]]:
    """A row for each process, those chosen or all. `ts` is CLOCK_BOOTTIME ns.

    One that began in the tick of `ts` counts if it is one of `before`; else its fork is in the trace. `meanwhile` is
    called now and then.
    """
    alive = {}
    for n, p in enumerate(procfs.processes(chosen), 1):
        alive[p.pid] = p
        if n % PIECE == 0:
            meanwhile()
    found = []
    for n, p in enumerate(alive.values(), 1):
        if p.start <= ts - TICK_NS or p.pid in before:
            found.append(_row(edge, ts, p, alive))
        if n % PIECE == 0:
            meanwhile()
    return found


def _row(edge: str, ts: int, p: procfs.Process, alive: dict[int, procfs.Process]) -> dict[str, Any]:
    parent = alive.get(p.ppid) or procfs.process(p.ppid)
    argv = None if p.argv is None else p.argv[: procfs.ARGV_BYTES]
    return {
        "ts": ts,
        "pid": p.pid,
        "start": p.start,
        "ppid": p.ppid,
        "parent_start": parent.start if parent else None,
        "uid": p.uid,
        "comm": escape(p.comm),
        "edge": edge,
        "path": None if p.path is None else escape(p.path),
        "argv": None if argv is None else [escape(a) for a in argv.removesuffix(b"\0").split(b"\0")],
        "argv_truncated": None if p.argv is None else len(p.argv) > procfs.ARGV_BYTES,
        "kernel_thread": p.kernel_thread,
        "threads": p.threads,
        "cpu_ns": p.cpu_ns,
        "cgroup_id": cgroups.id_of(p.pid),
        "ns_pid": p.ns_pid,
    }
