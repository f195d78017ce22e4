-- CPU time of each process per snapshot.
--
-- One row per snapshot and process that ran since the previous snapshot; no row means no CPU time. The report `cpu`
-- has the sums.
--
-- needs: main.cpu, main.snapshots, unfiltered.processes
CREATE VIEW report.cpu_timeline(
    -- When the snapshot was taken.
    ts,
    -- Time since the previous snapshot [s].
    interval_s,
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- CPU time in that interval, all threads together [s].
    cpu_s,
    -- Share of one CPU in that interval [%]; above 100 if several threads ran at once.
    cpu_pct,
    -- Time that its threads waited for a CPU, for waits that ended in that interval [s]; NULL if the kernel does not
    -- count it.
    wait_s,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
totals AS (
    SELECT ts, process_key, SUM(oncpu_ns) AS oncpu_ns, SUM(wait_ns) AS wait_ns
    FROM main.cpu
    GROUP BY ts, process_key
)
SELECT
    c.ts,
    s.interval_ns / 1e9,
    c.process_key.pid,
    p.comm,
    c.oncpu_ns / 1e9,
    100.0 * c.oncpu_ns / s.interval_ns,
    c.wait_ns / 1e9,
    c.process_key.start
FROM totals AS c
LEFT JOIN main.snapshots AS s ON s.ts = c.ts
LEFT JOIN unfiltered.processes AS p ON p.process_key = c.process_key
ORDER BY c.ts, c.oncpu_ns DESC NULLS LAST, c.process_key.pid, c.process_key.start, c.wait_ns;
