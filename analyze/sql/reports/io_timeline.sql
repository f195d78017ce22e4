-- Bytes read and written by each process per snapshot.
--
-- As in the report `io`, which has the sums: on files, pipes, sockets and everything else with a descriptor, by the
-- results of the calls. A call counts in the interval in which it returned. One row per snapshot and process that
-- made such a call since the previous snapshot.
--
-- needs: main.snapshots, main.syscall_stats, unfiltered.io_way, unfiltered.process_key, unfiltered.processes
CREATE VIEW report.io_timeline(
    -- When the snapshot was taken.
    ts,
    -- Time since the previous snapshot [s].
    interval_s,
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- Bytes read.
    read_bytes,
    -- Bytes written.
    written_bytes,
    -- Bytes copied inside the kernel between descriptors, or between a descriptor and memory.
    copied_bytes,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
moves AS (
    SELECT ts, pid, start, bytes, unfiltered.io_way(syscall) AS way
    FROM main.syscall_stats
    WHERE bytes IS NOT NULL
),
totals AS (
    SELECT
        ts, pid, start,
        SUM(bytes) AS bytes,
        SUM(CASE WHEN way = 'read' THEN bytes ELSE 0 END) AS read_bytes,
        SUM(CASE WHEN way = 'write' THEN bytes ELSE 0 END) AS written_bytes,
        SUM(CASE WHEN way = 'copy' THEN bytes ELSE 0 END) AS copied_bytes
    FROM moves
    GROUP BY ts, pid, start
)
SELECT
    t.ts,
    s.interval_ns / 1e9,
    t.pid,
    p.comm,
    TRY_CAST(t.read_bytes AS BIGINT),
    TRY_CAST(t.written_bytes AS BIGINT),
    TRY_CAST(t.copied_bytes AS BIGINT),
    t.start
FROM totals AS t
LEFT JOIN main.snapshots AS s ON s.ts = t.ts
LEFT JOIN unfiltered.processes AS p ON p.process_key = unfiltered.process_key(t.pid, t.start)
ORDER BY t.ts, t.bytes DESC, t.pid, t.start;
