-- CPU time of each process from snapshot to snapshot.
--
-- One row for each snapshot and process that ran since the snapshot before; a process without a row used no CPU time
-- then. The report `cpu` has the sums.
--
-- needs: main.cpu, main.snapshots, unfiltered.processes
CREATE VIEW report.cpu_timeline(
    -- When the snapshot was taken.
    ts,
    -- Time since the snapshot before [s].
    interval_s,
    -- Process id (thread group id).
    pid,
    -- Command name, last known.
    comm,
    -- CPU time in that interval, all threads together [s].
    cpu_s,
    -- Its share of one CPU in that interval [%]; over 100 if several threads ran at once.
    cpu_pct,
    -- Time that its threads were ready to run and waited for a CPU, of waits that ended then [s]; NULL if the kernel does
    -- not count it.
    wait_s,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start
) AS
SELECT
    c.ts,
    s.interval_ns / 1e9,
    c.pid,
    p.comm,
    c.oncpu_ns / 1e9,
    100.0 * c.oncpu_ns / s.interval_ns,
    c.wait_ns / 1e9,
    c.start
FROM main.cpu AS c
LEFT JOIN main.snapshots AS s ON s.ts = c.ts
LEFT JOIN unfiltered.processes AS p ON p.pid = c.pid AND p.start IS NOT DISTINCT FROM c.start
ORDER BY c.ts, c.oncpu_ns DESC NULLS LAST, c.pid, c.start, c.wait_ns;
