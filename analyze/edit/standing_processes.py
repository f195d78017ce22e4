"""Rows of the processes of a part of a trace: of those that lived at its edges, and of those that give names."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sysmon.analyze.edit import references
from sysmon.analyze.trace.catalog import name_sql
from sysmon.analyze.trace.trace import Trace
from sysmon.bpf.kind import Kind
from sysmon.bpf.kinds.lifecycle import PROCESS

WANTED = """
WITH RECURSIVE
-- `is_old`: it began before the part. `was_gone`: it had ended before that. `stays`: it lived when the part ended.
lives AS MATERIALIZED (
    SELECT process_key, pid, start, parent_key, ppid, parent_start, kernel_thread, ns_pid,
        getvariable('since') IS NOT NULL AND started < getvariable('since') IS NOT FALSE AS is_old,
        (getvariable('since') IS NOT NULL AND ended < getvariable('since') IS TRUE)
            OR process_key IN (SELECT process_key FROM unfiltered.process_states WHERE edge = 'neither') AS was_gone,
        (getvariable('until') IS NULL OR started < getvariable('until') IS NOT FALSE)
            AND (ended IS NULL OR ended >= getvariable('until') IS TRUE) AS stays,
        process_key IN (SELECT process_key FROM unfiltered.selected) AS is_chosen
    FROM unfiltered.processes
    WHERE pid > 0
),
needed AS (
    SELECT process_key
    FROM lives
    WHERE is_chosen AND (stays OR is_old) AND NOT was_gone
    UNION
    SELECT l.process_key
    FROM lives AS l
    JOIN ({processes}) AS r ON r.pid = l.pid AND r.start IS NOT DISTINCT FROM l.start
    UNION
    SELECT l.process_key
    FROM lives AS l
    JOIN ({pids}) AS r ON r.pid = l.pid
    UNION
    SELECT l.parent_key
    FROM needed AS n
    JOIN lives AS l ON l.process_key = n.process_key
    WHERE l.parent_key IS NOT NULL
),
-- The rows of the edges of the recording that are edges of the part, too.
kept AS MATERIALIZED (
    SELECT s.*, s.edge = 'end' IS TRUE AS is_end
    FROM unfiltered.process_states AS s
    JOIN needed USING (process_key)
    JOIN unfiltered.selected USING (process_key)
    WHERE CASE WHEN s.edge = 'end' THEN getvariable('until') IS NULL ELSE getvariable('since') IS NULL END
),
facts AS (
    SELECT process_key, ts, TRUE AS is_state, uid, comm, cgroup_id,
        struct_pack(path, argv, argv_truncated, device, inode, mount_namespace) AS program, euid, gid, egid
    FROM unfiltered.process_states
    UNION ALL
    SELECT process_key, ts, FALSE, uid, comm, cgroup_id, NULL, NULL, NULL, NULL
    FROM unfiltered.forks
    UNION ALL
    SELECT process_key, ts, FALSE, uid, comm, cgroup_id,
        struct_pack(
            path := COALESCE(
                CASE WHEN interpreter IS NULL THEN executable END,
                unfiltered.full_path(origin, path, directory), path, executable
            ),
            argv, argv_truncated, device, inode, mount_namespace
        ), euid, gid, egid
    FROM unfiltered.execs
    UNION ALL
    SELECT process_key, ts, FALSE, uid, comm, NULL, NULL, NULL, NULL, NULL
    FROM unfiltered.renames
    WHERE tid = pid
),
-- What was known of each by then; of one of which nothing was, what a state says later.
known AS (
    SELECT f.*, w.at IS NULL OR f.ts < w.at AS is_before,
        BOOL_OR(w.at IS NULL OR f.ts < w.at) OVER (PARTITION BY f.process_key) AS any_before
    FROM facts AS f
    JOIN (
        SELECT l.process_key, CASE WHEN l.is_old THEN getvariable('since') ELSE getvariable('until') END AS at
        FROM lives AS l
        JOIN needed USING (process_key)
    ) AS w USING (process_key)
),
as_of AS (
    SELECT process_key,
        ARG_MAX(uid, ts) AS uid,
        ARG_MAX(comm, ts) AS comm,
        ARG_MAX(cgroup_id, ts) AS cgroup_id,
        ARG_MAX(program, ts) AS program,
        ARG_MAX(euid, ts) AS euid,
        ARG_MAX(gid, ts) AS gid,
        ARG_MAX(egid, ts) AS egid
    FROM known
    WHERE is_before OR (is_state AND NOT any_before)
    GROUP BY process_key
),
made AS (
    SELECT
        COALESCE(
            CASE WHEN l.is_old THEN getvariable('since') END, getvariable('until'), getvariable('ended')
        ) AS ts,
        l.pid, l.start, l.ppid, l.parent_start, a.uid, a.comm,
        CASE
            WHEN l.was_gone OR NOT l.is_chosen THEN 'neither'
            WHEN l.is_old AND l.stays AND NOT has_end THEN 'both'
            WHEN l.is_old THEN 'start'
            WHEN NOT l.is_old AND l.stays AND NOT has_end AND getvariable('until') IS NOT NULL THEN 'end'
        END AS edge,
        NULL AS state, a.program.path, a.program.argv, a.program.argv_truncated, l.kernel_thread,
        NULL AS threads, NULL AS cpu_ns, a.cgroup_id, l.ns_pid, a.program.device, a.program.inode,
        a.program.mount_namespace, a.euid, a.gid, a.egid
    FROM (
        SELECT *,
            process_key IN (SELECT process_key FROM kept WHERE is_end) AS has_end,
            process_key IN (SELECT process_key FROM kept WHERE NOT is_end) AS has_start
        FROM lives
    ) AS l
    JOIN needed USING (process_key)
    JOIN as_of AS a USING (process_key)
    WHERE NOT has_start
)
SELECT {columns} FROM made WHERE edge IS NOT NULL
UNION ALL
SELECT {columns}
FROM (
    SELECT k.* REPLACE (
        CASE
            WHEN k.edge IN ('start', 'both') AND getvariable('until') IS NOT NULL
            THEN CASE WHEN l.stays THEN 'both' ELSE 'start' END
            ELSE k.edge
        END AS edge
    )
    FROM kept AS k
    JOIN lives AS l USING (process_key)
)
"""
"""Of a process of which there is a row of an edge it stays as it is, but for the edge. Of the others a row tells what
was known of them when the part began or, if they are younger, when it ended; its state then is unknown."""


def table(trace: Trace, kinds: Sequence[Kind]) -> pa.Table:
    """Rows of kind `process`."""
    query = WANTED.format(
        processes=references.of(kinds, references.PROCESSES, ("pid", "start")),
        pids=references.of(kinds, references.PIDS, ("pid",)),
        columns=", ".join(name_sql(col.name) for col in PROCESS.cols),
    )
    return trace.own(query).to_arrow_table()
