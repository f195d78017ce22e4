-- Waiting for a CPU: how long the threads of each process were ready to run without one.
--
-- From a wakeup, a fork or a preemption until the thread runs, as counted in /proc/PID/schedstat. A wait counts in
-- the snapshot in which it ends. Left out: waits that were not over at the end of the recording, and, for threads
-- older than the recording, what they waited before they first left a CPU. Since Linux 6.12 the kernel sometimes
-- counts a sleep as a wait, in /proc/PID/schedstat too: a thread that has used more than its share of a CPU stays
-- queued when it falls asleep. Findings ignore intervals with more than 0.2 s per switch.
--
-- needs: main.cpu, unfiltered.processes
CREATE VIEW report.runqueue(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- Time waited, all threads together [s]; NULL if the kernel does not count it.
    wait_s,
    -- Share of the time its threads could run, waiting or running [%].
    wait_pct,
    -- Mean wait each time a thread got a CPU [us].
    mean_wait_us,
    -- CPU time [s].
    cpu_s,
    -- Times that a thread gave up its CPU: it slept, blocked or ended.
    voluntary_switches,
    -- Times that a thread was preempted.
    involuntary_switches,
    -- Times that a thread moved to another CPU.
    migrations,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
totals AS (
    SELECT
        process_key,
        SUM(oncpu_ns) AS oncpu_ns,
        SUM(wait_ns) AS wait_ns,
        TRY_CAST(SUM(voluntary_switches) AS BIGINT) AS voluntary,
        TRY_CAST(SUM(involuntary_switches) AS BIGINT) AS involuntary,
        TRY_CAST(SUM(migrations) AS BIGINT) AS migrations
    FROM main.cpu
    GROUP BY process_key
)
SELECT
    t.process_key.pid,
    p.comm,
    t.wait_ns / 1e9,
    100.0 * t.wait_ns / NULLIF(t.wait_ns + t.oncpu_ns, 0),
    t.wait_ns / 1e3 / NULLIF(t.voluntary + t.involuntary, 0),
    t.oncpu_ns / 1e9,
    t.voluntary,
    t.involuntary,
    t.migrations,
    t.process_key.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
ORDER BY t.wait_ns DESC NULLS LAST, t.process_key.pid, t.process_key.start;
