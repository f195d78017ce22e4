-- System calls of each process: how often, with what success, and how long.
--
-- Like `syscalls`, per process. A pid that was reused is two processes.
--
-- needs: finding.call_name, finding.ranked_stats, finding.tally, unfiltered.bucket_high_ns, unfiltered.bucket_low_ns,
--    unfiltered.bucket_middle_ns, unfiltered.percentile_ns, unfiltered.process_key, unfiltered.processes
-- first rows: finding.tally, finding.ranked_stats
CREATE VIEW report.syscalls_by_process(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- Name of the call; 'syscall_N' if number N has no name, 'unknown' if the number is unknown.
    syscall,
    -- Calls issued: returned, never returning, and in flight at the end.
    calls,
    -- Calls that failed.
    errors,
    -- Sum of the latencies [s].
    total_s,
    -- Mean latency [us].
    mean_us,
    -- Median latency [us].
    p50_us,
    -- 90th percentile of latency [us].
    p90_us,
    -- 99th percentile of latency [us].
    p99_us,
    -- 99.9th percentile of latency [us].
    p999_us,
    -- Largest latency [us].
    max_us,
    -- Part of `total_s` spent asleep, waiting for an event, data, a timer, a lock or a child [s].
    slept_s,
    -- Part of `total_s` spent in uninterruptible sleep, such as for a disk [s].
    disk_s,
    -- Part of `total_s` spent ready to run, waiting for a CPU [s].
    runnable_s,
    -- Calls among `calls` that never return, such as exit_group.
    no_return,
    -- Calls in flight at the start of the recording, its end, or both.
    in_flight,
    -- System call table of the number, such as 'x86_64'.
    abi,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
counted AS (
    SELECT pid, start, place, bucket,
        SUM(CAST(calls AS DOUBLE PRECISION)) AS calls,
        MAX(max_ns) AS max_ns
    FROM finding.ranked_stats
    GROUP BY pid, start, place, bucket
),
-- How many calls each bucket and those below it hold. In floating point, which is exact up to 2^53 calls and takes
-- half the time.
ranked AS (
    SELECT pid, start, place, bucket, max_ns,
        SUM(calls) OVER one_call AS n,
        SUM(calls) OVER (one_call ORDER BY bucket ROWS UNBOUNDED PRECEDING) AS reached
    FROM counted
    WHERE calls > 0
    WINDOW one_call AS (PARTITION BY pid, start, place)
),
middles AS (
    SELECT
        *,
        unfiltered.bucket_middle_ns(unfiltered.bucket_low_ns(bucket), unfiltered.bucket_high_ns(bucket), max_ns)
            AS middle_ns
    FROM ranked
),
percentiles AS (
    SELECT pid, start, place,
        unfiltered.percentile_ns(500, middle_ns, reached, n) AS p50_ns,
        unfiltered.percentile_ns(900, middle_ns, reached, n) AS p90_ns,
        unfiltered.percentile_ns(990, middle_ns, reached, n) AS p99_ns,
        unfiltered.percentile_ns(999, middle_ns, reached, n) AS p999_ns
    FROM middles
    GROUP BY pid, start, place
),
names AS (
    SELECT DISTINCT place, name, abi
    FROM finding.call_name
)
SELECT
    t.pid,
    p.comm,
    n.name,
    t.calls,
    t.errors,
    t.total_ns / 1e9,
    t.mean_ns / 1e3,
    q.p50_ns / 1e3,
    q.p90_ns / 1e3,
    q.p99_ns / 1e3,
    q.p999_ns / 1e3,
    t.max_ns / 1e3,
    t.slept_ns / 1e9,
    t.disk_ns / 1e9,
    t.runnable_ns / 1e9,
    t.no_return,
    t.in_flight,
    n.abi,
    t.start
FROM finding.tally AS t
JOIN names AS n ON n.place = t.place
LEFT JOIN percentiles AS q ON q.place = t.place AND q.pid IS NOT DISTINCT FROM t.pid
    AND q.start IS NOT DISTINCT FROM t.start
LEFT JOIN unfiltered.processes AS p ON p.process_key = unfiltered.process_key(t.pid, t.start)
ORDER BY t.total_ns DESC NULLS LAST, t.calls DESC NULLS LAST, t.pid, t.start, t.place;
