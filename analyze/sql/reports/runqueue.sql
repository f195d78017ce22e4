-- Waiting for a CPU: how long the threads of each process were ready to run and had none.
--
-- From a wakeup, a fork or the loss of the CPU to another thread until the thread runs, as /proc/PID/schedstat counts it.
-- A wait is counted in the snapshot in which it is over; one that the end of the recording cuts is left out, and so is,
-- of a thread that is older than the recording, what it waited before it first left a CPU.
--
-- Since Linux 6.12 the kernel now and then counts a sleep as a wait, in /proc/PID/schedstat too: a thread that has used
-- more than its share of a CPU stays queued when it falls asleep. Findings ignore intervals with over 0.2 s a switch.
--
-- needs: main.cpu, unfiltered.processes
CREATE VIEW report.runqueue(
    -- Process id (thread group id).
    pid,
    -- Command name, last known.
    comm,
    -- Time waited, all threads together [s]; NULL if the kernel does not count it.
    wait_s,
    -- Its share of the time that the threads wanted to run, waiting and running [%].
    wait_pct,
    -- Mean wait for each time that a thread was given a CPU [us].
    mean_wait_us,
    -- CPU time [s].
    cpu_s,
    -- Times that a thread left its CPU because it had nothing to do there: it slept, blocked or ended.
    voluntary_switches,
    -- Times that a thread left its CPU though it could have gone on: another was given it.
    involuntary_switches,
    -- Times that a thread ran on another CPU than before.
    migrations,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start
) AS
WITH
totals AS (
    SELECT
        pid, start,
        SUM(oncpu_ns) AS oncpu_ns,
        SUM(wait_ns) AS wait_ns,
        TRY_CAST(SUM(voluntary_switches) AS BIGINT) AS voluntary,
        TRY_CAST(SUM(involuntary_switches) AS BIGINT) AS involuntary,
        TRY_CAST(SUM(migrations) AS BIGINT) AS migrations
    FROM main.cpu
    GROUP BY pid, start
)
SELECT
    t.pid,
    p.comm,
    t.wait_ns / 1e9,
    100.0 * t.wait_ns / NULLIF(t.wait_ns + t.oncpu_ns, 0),
    t.wait_ns / 1e3 / NULLIF(t.voluntary + t.involuntary, 0),
    t.oncpu_ns / 1e9,
    t.voluntary,
    t.involuntary,
    t.migrations,
    t.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.pid = t.pid AND p.start IS NOT DISTINCT FROM t.start
ORDER BY t.wait_ns DESC NULLS LAST, t.pid, t.start;
