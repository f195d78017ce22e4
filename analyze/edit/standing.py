"""How things stood at the edges of a part of a trace, and the names that its rows refer to.

A row here may be from before the part, and stay in the part next to it, too: no sum counts it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sysmon.analyze.edit import references, standing_processes
from sysmon.analyze.trace.catalog import name_sql
from sysmon.analyze.trace.trace import Trace
from sysmon.bpf.kind import Kind
from sysmon.bpf.kinds.cgroup_limits import CGROUP_LIMIT
from sysmon.bpf.kinds.cgroups import CGROUP
from sysmon.bpf.kinds.connections import CONNECTION
from sysmon.bpf.kinds.cpu import CPU, THREADS_OFF_CPU
from sysmon.bpf.kinds.ledger import CLOCK
from sysmon.bpf.kinds.lifecycle import PROCESS
from sysmon.bpf.kinds.objects import OBJECT_NAME
from sysmon.bpf.kinds.stacks import FRAME, STACK

KINDS_STANDING = frozenset(k.name for k in (PROCESS, CLOCK, THREADS_OFF_CPU, CGROUP, STACK, FRAME, OBJECT_NAME))
"""Kinds all of whose rows say how things stand."""

CLOCKS = """
FROM unfiltered.clocks
WHERE ts IS NOT NULL AND (getvariable('until') IS NULL OR ts <= getvariable('until')) AND (
    getvariable('since') IS NULL
    OR ts > getvariable('since')
    OR ts = (SELECT MAX(ts) FROM unfiltered.clocks WHERE ts <= getvariable('since'))
)
"""
"""The snapshots whose counts are in the part, and the one before, at which the first of them began."""

THREADS = """
FROM main.threads_off_cpu
UNION ALL
SELECT
    CAST(make_timestamp_ns(CAST(at_ns AS BIGINT)) AS TIMESTAMPTZ_NS),
    pid, start, tid, thread, state, nr, abi, syscall, at_ns - from_ns
FROM (
    SELECT c.*, c.waited_for AS state, LEAST(c.woken_ns, s.counted_to_ns) AS at_ns,
        GREATEST(c.off_ns, s.counted_from_ns) AS from_ns
    FROM carried AS c
    CROSS JOIN finding.span AS s
    WHERE c.off_ns < s.counted_to_ns
    UNION ALL
    SELECT c.*, 'runnable', s.counted_to_ns, GREATEST(c.woken_ns, s.counted_from_ns)
    FROM carried AS c
    CROSS JOIN finding.span AS s
    WHERE c.woken_ns < s.counted_to_ns
)
WHERE from_ns < at_ns
"""
"""Threads that were off the CPU when the part ends: at its last snapshot, up to which it counts. One that was ready to
run by then has a row for its wait, and one for the time since."""

CARRIED = """
WITH
steps AS (
    SELECT ts, EPOCH_NS(LAG(ts) OVER (ORDER BY ts)) AS from_ns
    FROM (SELECT DISTINCT ts FROM unfiltered.clocks WHERE ts IS NOT NULL)
),
carried AS (
    SELECT c.pid, c.start, c.tid, c.thread, c.waited_for, c.nr, c.abi, c.syscall,
        TRY(s.from_ns - c.ready_before_ns - c.waited_before_ns) AS off_ns,
        TRY(s.from_ns - c.ready_before_ns) AS woken_ns
    FROM unfiltered.cpu AS c
    JOIN steps AS s USING (ts)
    JOIN unfiltered.selected USING (process_key)
    WHERE c.ts > getvariable('until') AND (c.waited_before_ns > 0 OR c.ready_before_ns > 0)
    UNION ALL
    SELECT t.pid, t.start, t.tid, t.thread, t.waited_for, t.nr, t.abi, t.syscall,
        TRY(EPOCH_NS(t.ts) - t.off_cpu_ns),
        TRY(EPOCH_NS(t.ts) - CASE WHEN t.waited_for = 'runnable' THEN t.off_cpu_ns ELSE 0 END)
    FROM unfiltered.threads_off_cpu AS t
    JOIN unfiltered.selected USING (process_key)
    WHERE t.ts >= getvariable('until')
)
"""
"""Waits that ended after the part, or not at all: `off_ns`, when each began; `woken_ns`, when it was ready to run."""

CONNECTIONS = """
FROM (
    SELECT * REPLACE (
        getvariable('until') AS ts, NULL AS ended, NULL AS error, NULL AS errno, NULL AS closed_by, NULL AS tcp_state,
        NULL AS tcp_state_ns, NULL AS holder_pid, NULL AS holder_start, NULL AS sent_bytes, NULL AS received_bytes,
        NULL AS resent_bytes, NULL AS sent_segments, NULL AS retransmits, NULL AS rtt_us, NULL AS min_rtt_us
    )
    FROM unfiltered.tcp_connections
    JOIN unfiltered.selected USING (process_key)
    WHERE ts >= getvariable('until') AND (opened IS NULL OR opened < getvariable('until'))
)
"""
"""Connections that were open when the part ends. How much they carried until then is unknown."""

STACKS = """
FROM unfiltered.stacks
WHERE stack IN (
    WITH RECURSIVE needed AS (
        {used}
        UNION
        SELECT s.caller
        FROM needed AS n
        JOIN unfiltered.stacks AS s ON s.stack = n.stack
        WHERE s.caller < s.stack
    )
    SELECT stack FROM needed WHERE stack IS NOT NULL
)
"""

OBJECTS = """
FROM unfiltered.object_names AS o
WHERE ts IS NOT NULL AND (getvariable('until') IS NULL OR ts < getvariable('until'))
    AND (
        (NOT $of_some AND (getvariable('since') IS NULL OR ts >= getvariable('since')))
        OR object IN (
            WITH used AS ({used})
            SELECT object FROM used
            UNION
            SELECT n.peer_inode FROM unfiltered.object_names AS n JOIN used AS u ON u.object = n.object
        )
    )
QUALIFY getvariable('since') IS NULL OR ts >= getvariable('since')
    OR ts = MAX(CASE WHEN ts < getvariable('since') THEN ts END) OVER (PARTITION BY object, object_device, generation)
"""
"""The names that were given in the part, and those that its objects had before."""

LIMITS = """
FROM unfiltered.cgroup_limits
WHERE quota_ns IS NULL AND io_limits IS NULL AND ts <= getvariable('since')
"""
"""The roots of the hierarchies, which are told once."""


def tables(trace: Trace, kinds: Sequence[Kind]) -> Iterator[tuple[Kind, pa.Table]]:
    """The rows of each kind, of those of which the trace has any."""
    present = [kind.name for kind in kinds]
    processes = standing_processes.table(trace, kinds)
    yield PROCESS, processes
    yield CLOCK, _rows(trace, CLOCK, CLOCKS)
    yield from _counted(trace, present)
    if CONNECTION.name in present:
        yield CONNECTION, _rows(trace, CONNECTION, CONNECTIONS)
    yield from _named(trace, kinds, processes)


def _counted(trace: Trace, present: Collection[str]) -> Iterator[tuple[Kind, pa.Table]]:
    if {CPU.name, THREADS_OFF_CPU.name} & set(present):
        yield THREADS_OFF_CPU, _rows(trace, THREADS_OFF_CPU, THREADS, with_=CARRIED)
    if CGROUP_LIMIT.name in present:
        yield CGROUP_LIMIT, _rows(trace, CGROUP_LIMIT, LIMITS)


def _named(trace: Trace, kinds: Sequence[Kind], processes: pa.Table) -> Iterator[tuple[Kind, pa.Table]]:
    """What numbers in the rows of the part stand for."""
    present = {kind.name for kind in kinds}
    if CGROUP.name in present:
        groups = pc.unique(processes["cgroup_id"]).to_pylist()
        used = references.of(kinds, references.GROUPS, ("cgroup_id",))
        named = f"FROM unfiltered.cgroup_paths WHERE cgroup_id IN ({used}) OR cgroup_id IN $groups"
        yield CGROUP, _rows(trace, CGROUP, named, {"groups": groups})
    if STACK.name in present:
        used = references.of(kinds, references.STACKS, ("stack",))
        stacks = _rows(trace, STACK, STACKS.format(used=used))
        yield STACK, stacks
        frames = pc.unique(stacks["frame"]).to_pylist()
        yield FRAME, _rows(trace, FRAME, "FROM unfiltered.frames WHERE frame IN $frames", {"frames": frames})
    if OBJECT_NAME.name in present:
        used = references.of(kinds, references.OBJECTS, ("object",))
        yield OBJECT_NAME, _rows(trace, OBJECT_NAME, OBJECTS.format(used=used), {"of_some": trace.selection.of_some})


def _rows(trace: Trace, kind: Kind, source: str, values: dict[str, object] | None = None, with_: str = "") -> pa.Table:
    columns = ", ".join(name_sql(col.name) for col in kind.cols)
    return trace.own(f"{with_} SELECT {columns} {source}", values).to_arrow_table()
