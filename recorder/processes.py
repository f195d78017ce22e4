"""Rows of the kind `process`: what is alive when a recording begins or ends."""

from __future__ import annotations

from typing import Any

from bpf.kind import TICK_NS
from recorder import cgroups, procfs
from recorder.decode import escape


def rows(edge: str, ts: int, chosen: list[int] | None, before: frozenset[int] = frozenset()) -> list[dict[str, Any]]:
    """A row for each process, those chosen or all. `ts` is CLOCK_BOOTTIME ns.

    One that began in the tick of `ts` counts if it is one of `before`; else its fork is in the trace.
    """
    alive = {p.pid: p for p in procfs.processes(chosen)}
    return [_row(edge, ts, p, alive) for p in alive.values() if p.start <= ts - TICK_NS or p.pid in before]


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
