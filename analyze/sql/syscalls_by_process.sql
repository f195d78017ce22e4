-- System calls of each process: how often, with what success, and how long.
--
-- As the report `syscalls`, for each process apart. A pid that was used again is two processes.
CREATE VIEW report.syscalls_by_process(
    -- Process id (thread group id).
    pid,
    -- Command name, last known.
    comm,
    -- Name of the call: 'syscall_N' if number N has none, 'unknown' if there was no number.
    syscall,
    -- Calls issued: those that returned, those that will never return, and those in flight at the end.
    calls,
    -- Calls whose result was an error.
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
    -- Largest latency [us].
    max_us,
    -- Calls among `calls` that will never return, as exit_group.
    no_return,
    -- Calls that were in flight when the recording began, when it ended, or both.
    in_flight,
    -- The table of system calls that the number is from, such as 'x86_64'.
    abi,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start
) AS
WITH
counted AS (
    SELECT s.pid, s.start, n.place, s.bucket,
        SUM(s.calls) AS calls,
        SUM(s.errors) AS errors,
        SUM(s.total_ns) AS total_ns,
        MAX(s.max_ns) AS max_ns
    FROM main.syscall_stats AS s
    JOIN finding.call_name AS n ON n.nr IS NOT DISTINCT FROM s.nr AND n.abi IS NOT DISTINCT FROM s.abi
        AND n.syscall IS NOT DISTINCT FROM s.syscall
    GROUP BY s.pid, s.start, n.place, s.bucket
),
-- Calls that have no latency are in a bucket of their own, NULL.
cells AS (
    SELECT pid, start, place, calls, errors,
        CASE WHEN bucket IS NOT NULL THEN calls END AS returned,
        CASE WHEN bucket IS NOT NULL THEN total_ns END AS total_ns,
        CASE WHEN bucket IS NOT NULL THEN max_ns END AS max_ns,
        CASE WHEN bucket IS NULL THEN calls ELSE 0 END AS no_return,
        0 AS in_flight
    FROM counted
    UNION ALL
    SELECT f.pid, f.start, n.place, CASE WHEN f.edge = 'end' THEN 1 ELSE 0 END, 0, NULL, NULL, NULL, 0, 1
    FROM main.syscalls_in_flight AS f
    JOIN finding.call_name AS n ON n.nr IS NOT DISTINCT FROM f.nr AND n.abi IS NOT DISTINCT FROM f.abi
        AND n.syscall IS NOT DISTINCT FROM f.syscall
),
totals AS (
    SELECT
        pid, start, place,
        TRY_CAST(SUM(calls) AS BIGINT) AS calls,
        TRY_CAST(SUM(errors) AS BIGINT) AS errors,
        TRY_CAST(SUM(total_ns) AS BIGINT) AS total_ns,
        CAST(SUM(total_ns) AS DOUBLE PRECISION) / NULLIF(SUM(returned), 0) AS mean_ns,
        MAX(max_ns) AS max_ns,
        TRY_CAST(SUM(no_return) AS BIGINT) AS no_return,
        TRY_CAST(SUM(in_flight) AS BIGINT) AS in_flight
    FROM cells
    GROUP BY pid, start, place
),
-- How many calls each bucket and those below it hold. As floating point, exact to 2^53 calls and half the time.
ranked AS (
    SELECT pid, start, place, bucket, max_ns,
        SUM(CAST(calls AS DOUBLE PRECISION)) OVER one_call AS n,
        SUM(CAST(calls AS DOUBLE PRECISION)) OVER (one_call ORDER BY bucket ROWS UNBOUNDED PRECEDING) AS reached
    FROM counted
    WHERE bucket < 487 AND calls > 0
    WINDOW one_call AS (PARTITION BY pid, start, place)
),
-- The middle of each bucket, but at most the largest latency in it.
middles AS (
    SELECT
        *,
        LEAST(
            unfiltered.bucket_low_ns(bucket)
            + (unfiltered.bucket_high_ns(bucket) - unfiltered.bucket_low_ns(bucket) - 1) / 2.0, max_ns
        ) AS middle_ns
    FROM ranked
),
-- A percentile is the smallest bucket that reaches p percent of n: reached * 100 >= n * p.
percentiles AS (
    SELECT pid, start, place,
        MIN(CASE WHEN reached * 100 >= n * 50 THEN middle_ns END) AS p50_ns,
        MIN(CASE WHEN reached * 100 >= n * 90 THEN middle_ns END) AS p90_ns,
        MIN(CASE WHEN reached * 100 >= n * 99 THEN middle_ns END) AS p99_ns
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
    t.max_ns / 1e3,
    t.no_return,
    t.in_flight,
    n.abi,
    t.start
FROM totals AS t
JOIN names AS n ON n.place = t.place
LEFT JOIN percentiles AS q ON q.place = t.place AND q.pid IS NOT DISTINCT FROM t.pid
    AND q.start IS NOT DISTINCT FROM t.start
LEFT JOIN unfiltered.processes AS p ON p.pid = t.pid AND p.start IS NOT DISTINCT FROM t.start
ORDER BY t.total_ns DESC NULLS LAST, t.calls DESC NULLS LAST, t.pid, t.start, t.place;
