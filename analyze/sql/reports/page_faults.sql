-- Page faults of each process.
--
-- A minor fault needed nothing from a disk; a major fault waited for the disk. Counted when a thread leaves its CPU
-- and at each snapshot. Processes without faults are not shown.
--
-- needs: main.cpu, unfiltered.processes
CREATE VIEW report.page_faults(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- Minor page faults.
    minor_faults,
    -- Major page faults.
    major_faults,
    -- Both, per second of its CPU time; NULL if it used none.
    faults_per_cpu_s,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
totals AS (
    SELECT
        process_key,
        TRY_CAST(SUM(minor_faults) AS BIGINT) AS minor,
        TRY_CAST(SUM(major_faults) AS BIGINT) AS major,
        SUM(oncpu_ns) AS oncpu_ns
    FROM main.cpu
    GROUP BY process_key
)
SELECT
    t.process_key.pid,
    p.comm,
    t.minor,
    t.major,
    1e9 * (t.minor + t.major) / NULLIF(t.oncpu_ns, 0),
    t.process_key.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
WHERE t.minor + t.major > 0
ORDER BY t.major DESC, t.minor DESC, t.process_key.pid, t.process_key.start;
