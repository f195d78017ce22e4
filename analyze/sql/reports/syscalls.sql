-- System calls: how often each was made and failed, and how long it took.
--
-- Over all processes, by name and call table. Latency is wall time from entry to return, waiting included, so
-- sleeping counts like work. It covers calls that returned; percentiles are within 6.25 % of the true value. Calls
-- in flight when the recording started are in `in_flight` only. How long calls slept or waited for a CPU is
-- measured; NULL in traces of version 1.
--
-- needs: main.syscall_stats, main.syscalls_in_flight, unfiltered.bucket_high_ns, unfiltered.bucket_low_ns,
--    unfiltered.bucket_middle_ns, unfiltered.call_name, unfiltered.percentile_ns
CREATE VIEW report.syscalls(
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
    abi
) AS
WITH
-- Summed first, then named: naming row by row takes three times as long.
counted AS (
    SELECT abi, nr, syscall, bucket,
        SUM(calls) AS calls,
        SUM(errors) AS errors,
        SUM(total_ns) AS total_ns,
        MAX(max_ns) AS max_ns,
        SUM(TRY(blocked_ns - uninterruptible_ns)) AS slept_ns,
        SUM(uninterruptible_ns) AS disk_ns,
        SUM(runnable_ns) AS runnable_ns
    FROM main.syscall_stats
    GROUP BY abi, nr, syscall, bucket
),
-- Calls without a latency are in a bucket of their own: low_ns IS NULL.
buckets AS (
    SELECT abi, unfiltered.call_name(syscall, nr) AS syscall,
        unfiltered.bucket_low_ns(bucket) AS low_ns,
        unfiltered.bucket_high_ns(bucket) AS high_ns,
        calls, errors,
        CASE WHEN bucket IS NOT NULL THEN calls END AS returned,
        CASE WHEN bucket IS NOT NULL THEN total_ns END AS total_ns,
        CASE WHEN bucket IS NOT NULL THEN max_ns END AS max_ns,
        slept_ns, disk_ns, runnable_ns,
        CASE WHEN bucket IS NULL THEN calls ELSE 0 END AS no_return,
        0 AS in_flight
    FROM counted
    UNION ALL
    SELECT abi, unfiltered.call_name(syscall, nr), NULL, NULL,
        CASE WHEN edge = 'end' THEN 1 ELSE 0 END, 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, 1
    FROM main.syscalls_in_flight
),
-- The latency of each bucket, and how many calls it and those below it hold.
ranked AS (
    SELECT
        *,
        CASE
            WHEN returned > 0 AND low_ns IS NOT NULL THEN unfiltered.bucket_middle_ns(low_ns, high_ns, max_ns)
        END AS middle_ns,
        SUM(CASE WHEN low_ns IS NOT NULL THEN returned END) OVER one_call AS n,
        SUM(CASE WHEN low_ns IS NOT NULL THEN returned END) OVER (one_call ORDER BY low_ns NULLS LAST) AS reached
    FROM buckets
    WINDOW one_call AS (PARTITION BY abi, syscall)
),
totals AS (
    SELECT
        abi, syscall,
        TRY_CAST(SUM(calls) AS BIGINT) AS calls,
        TRY_CAST(SUM(errors) AS BIGINT) AS errors,
        TRY_CAST(SUM(total_ns) AS BIGINT) AS total_ns,
        CAST(SUM(total_ns) AS DOUBLE PRECISION) / NULLIF(SUM(returned), 0) AS mean_ns,
        unfiltered.percentile_ns(500, middle_ns, reached, n) AS p50_ns,
        unfiltered.percentile_ns(900, middle_ns, reached, n) AS p90_ns,
        unfiltered.percentile_ns(990, middle_ns, reached, n) AS p99_ns,
        unfiltered.percentile_ns(999, middle_ns, reached, n) AS p999_ns,
        MAX(max_ns) AS max_ns,
        SUM(slept_ns) AS slept_ns,
        SUM(disk_ns) AS disk_ns,
        SUM(runnable_ns) AS runnable_ns,
        TRY_CAST(SUM(no_return) AS BIGINT) AS no_return,
        TRY_CAST(SUM(in_flight) AS BIGINT) AS in_flight
    FROM ranked
    GROUP BY abi, syscall
)
SELECT
    syscall,
    calls,
    errors,
    total_ns / 1e9,
    mean_ns / 1e3,
    p50_ns / 1e3,
    p90_ns / 1e3,
    p99_ns / 1e3,
    p999_ns / 1e3,
    max_ns / 1e3,
    slept_ns / 1e9,
    disk_ns / 1e9,
    runnable_ns / 1e9,
    no_return,
    in_flight,
    abi
FROM totals
ORDER BY total_ns DESC NULLS LAST, calls DESC NULLS LAST, syscall, abi NULLS LAST;
