"""Handmade traces, small enough to work out every answer by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sysmon.bpf.kinds import KINDS, kind_named
from sysmon.bpf.trace_file import schema

Row = dict[str, Any]

T0 = 1_700_000_000 * 10**9
"""Start of the handmade recordings: 2023-11-14T22:13:20Z. It is 1000 s after boot."""

BOOT = T0 - 1000 * 10**9

SECOND = 10**9

LENGTH_S = 10


def at(seconds: float) -> int:
    """`ts` of a moment this many seconds after the start of the recording."""
    return T0 + round(seconds * SECOND)


def born(seconds: float) -> int:
    """`start` of a process that began then: since boot, in ticks of 10 ms."""
    return (round((1000 + seconds) * SECOND) // 10**7) * 10**7


def row(kind: str, ts: int | None, **columns: Any) -> Row:
    """A row of this kind. Raises KeyError for a column that the kind does not have."""
    names = {c.name for c in kind_named(kind).cols}
    for name in columns:
        if name not in names:
            raise KeyError(f"kind {kind} has no column {name}")
    return {"kind": kind, "ts": ts, **columns}


def calls(ts: int, pid: int, start: int, syscall: str | None, bucket: int | None, count: int, **columns: Any) -> Row:
    """A row of syscall_stats. Returned calls took the minimum latency of their bucket, unless columns say otherwise."""
    low = 0 if bucket is None else bucket_low(bucket)
    given = {"errors": 0, "total_ns": low * count, "max_ns": low, "abi": "x86_64", "nr": 0} | columns
    return row("syscall_stats", ts, pid=pid, start=start, syscall=syscall, bucket=bucket, calls=count, **given)


def failures(
    ts: int, pid: int, start: int, syscall: str | None, error: str | None, errno: int, count: int, **columns: Any
) -> Row:
    """A row of syscall_errors; each call took 1 us, unless columns say otherwise."""
    given = {"total_ns": 1000 * count, "abi": "x86_64", "nr": 0} | columns
    names = {"syscall": syscall, "error": error, "errno": errno, "calls": count}
    return row("syscall_errors", ts, pid=pid, start=start, **names, **given)


def stack_rows(ts: int, tree: Iterable[tuple[int | None, dict[str, Any]]]) -> list[Row]:
    """Stacks 1, 2, …: the stack that called, and what is known of the function, which gets the same number."""
    return [
        one
        for number, (caller, function) in enumerate(tree, 1)
        for one in (
            row("frame", ts, frame=number, **function),
            row("stack", ts, stack=number, caller=caller, frame=number),
        )
    ]


def bucket_low(bucket: int) -> int:
    """The minimum latency of the bucket [ns], by its column's documentation."""
    octave, part = divmod(bucket, 8)
    return part if octave == 0 else (8 + part) << (octave - 1)


def bucket_of(latency_ns: int) -> int:
    """The bucket of a latency: the largest one whose minimum is not above it."""
    return max(b for b in range(496) if bucket_low(b) <= latency_ns)


def recording(rows: list[Row] | None = None, /, **changes: Any) -> dict[str, Any]:
    """The metadata of a recording of everything for ten seconds, with changes."""
    counts = {k.name: sum(r["kind"] == k.name for r in rows or []) for k in KINDS}
    return {
        "schema_version": schema.VERSION,
        "sysmon_version": "1.0",
        "host": {
            "name": "testhost",
            "kernel": "6.1.0",
            "arch": "x86_64",
            "os": "Debian GNU/Linux 12",
            "cpus": 2,
            "memory_bytes": 4 << 30,
        },
        "started_ns": T0,
        "ended_ns": at(LENGTH_S),
        "stopped_by": "duration",
        "interval_s": 1.0,
        "command_line": ["sysmon", "record", "--duration", "10"],
        "command": None,
        "command_status": None,
        "pids": None,
        "comms": None,
        "uids": None,
        "cgroup": None,
        "children": False,
        "kinds": [k.name for k in KINDS],
        "syscalls": [],
        "recorder_pid": 900,
        "recorder_start": born(-1),
        "clock_offset_ns": BOOT,
        "probes": [{"name": "on_exec", "tracepoint": "sched_process_exec", "attached": True, "reason": ""}],
        "unmeasured": {},
        "rows": counts,
        "losses": [],
        **changes,
    }


def write(path: Path, rows: list[Row], /, **changes: Any) -> Path:
    """Writes a trace with these rows, a row group for each kind, and metadata with these changes."""
    metadata = {
        schema.METADATA_KEY: json.dumps(recording(rows, **changes)).encode(),
        schema.KINDS_KEY: schema.describe_kinds(),
    }
    wide = schema.wide().with_metadata(metadata)
    with pq.ParquetWriter(path, wide, use_dictionary=False) as writer:  # of a few rows they take longer than the rows
        for kind in KINDS:
            mine = [r for r in rows if r["kind"] == kind.name]
            if mine:
                writer.write_table(_table(mine, wide))
    return path


def _table(rows: list[Row], wide: pa.Schema) -> pa.Table:
    given = {name for row in rows for name in row}
    columns = [
        pa.array([row.get(field.name) for row in rows], field.type)
        if field.name in given
        else pa.nulls(len(rows), field.type)
        for field in wide
    ]
    return pa.Table.from_arrays(columns, schema=wide)
