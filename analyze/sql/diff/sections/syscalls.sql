-- System calls
--
-- Over all commands, including those in only one recording. The largest change in total time comes first. Calls that
-- receive from a socket come after the others, then those that mostly wait, and waits for children last: their time
-- depends on others, which have lines of their own. Below the changes are calls whose total time doubled or halved,
-- by at least 10 ms per second or run, but not significantly. Latency is wall time, waiting included; a change must
-- be at least 0.1 ms per second or per run. Percentiles are within 6.25 % of the true value.
CREATE VIEW diff.syscalls(
    -- Name of the call; 'syscall_N' if number N has no name, 'unknown' if the number is unknown.
    syscall,
    -- Which of 'rate', 'p50', 'p99' and 'errors' changed; empty if none.
    changed,
    -- Which of these differ as much, but not significantly.
    unproven,
    -- Sum of the latencies per second, or per run [s].
    time_before_s,
    -- The same, after.
    time_after_s,
    -- Calls per second, or per run.
    rate_before,
    -- The same, after.
    rate_after,
    -- Median latency [us]; NULL if no call returned.
    p50_before_us,
    -- The same, after.
    p50_after_us,
    -- 99th percentile of latency [us]; NULL if no call returned.
    p99_before_us,
    -- The same, after.
    p99_after_us,
    -- Share of calls that failed [%]; NULL if there were no calls.
    errors_before_pct,
    -- The same, after.
    errors_after_pct,
    -- Calls that returned or never return.
    calls_before,
    -- The same, after.
    calls_after,
    -- Probability that a call of AFTER is slower than one of BEFORE, ties counting half; NULL if there are no calls.
    slower,
    -- False discovery rate at which the change in rate counts; NULL if unknown.
    rate_q,
    -- Same, for the order of latencies, which decides on p50.
    p50_q,
    -- Same, for the share of calls above the lower p99, which decides on p99.
    p99_q,
    -- Same, for the share of errors.
    errors_q,
    -- System call table if not that of 64-bit programs, such as 'i386'; NULL otherwise.
    abi
) AS
WITH
scaled AS (
    SELECT
        t.*,
        total_before_ns / 1e9 / NULLIF(b.exposure, 0) AS time_before_s,
        total_after_ns / 1e9 / NULLIF(a.exposure, 0) AS time_after_s,
        calls_before / NULLIF(b.exposure, 0) AS rate_before,
        calls_after / NULLIF(a.exposure, 0) AS rate_after,
        100.0 * errors_before / NULLIF(calls_before, 0) AS errors_before_pct,
        100.0 * errors_after / NULLIF(calls_after, 0) AS errors_after_pct
    FROM tested.calls AS t
    CROSS JOIN (SELECT exposure FROM sides.spans WHERE NOT is_after) AS b
    CROSS JOIN (SELECT exposure FROM sides.spans WHERE is_after) AS a
    WHERE all_commands
),
weighed AS (
    SELECT *, ABS(time_after_s - time_before_s) >= 0.0001 AS matters
    FROM scaled
),
apart AS (
    SELECT
        *,
        COALESCE(diff.apart(rate_before, rate_after), FALSE) AS rate_apart,
        COALESCE(diff.apart(p50_before_ns, p50_after_ns) AND matters, FALSE) AS p50_apart,
        COALESCE(diff.apart(p99_before_ns, p99_after_ns) AND matters, FALSE) AS p99_apart,
        COALESCE(diff.apart(errors_before_pct, errors_after_pct), FALSE) AS errors_apart,
        COALESCE(rate_q <= getvariable('level'), FALSE) AS rate_sure,
        COALESCE(p50_q <= getvariable('level') AND ABS(slower - 0.5) >= getvariable('effect'), FALSE) AS p50_sure,
        COALESCE(p99_q <= getvariable('level'), FALSE) AS p99_sure,
        COALESCE(errors_q <= getvariable('level'), FALSE) AS errors_sure
    FROM weighed
),
judged AS (
    SELECT
        *,
        CONCAT_WS(', ',
            CASE WHEN rate_apart AND rate_sure THEN 'rate' END,
            CASE WHEN p50_apart AND p50_sure THEN 'p50' END,
            CASE WHEN p99_apart AND p99_sure THEN 'p99' END,
            CASE WHEN errors_apart AND errors_sure THEN 'errors' END
        ) AS changed,
        CONCAT_WS(', ',
            CASE WHEN rate_apart AND NOT rate_sure THEN 'rate' END,
            CASE WHEN p50_apart AND NOT p50_sure THEN 'p50' END,
            CASE WHEN p99_apart AND NOT p99_sure THEN 'p99' END,
            CASE WHEN errors_apart AND NOT errors_sure THEN 'errors' END
        ) AS unproven
    FROM apart
)
SELECT
    syscall,
    changed,
    unproven,
    time_before_s, time_after_s,
    rate_before, rate_after,
    p50_before_ns / 1e3, p50_after_ns / 1e3,
    p99_before_ns / 1e3, p99_after_ns / 1e3,
    errors_before_pct, errors_after_pct,
    calls_before, calls_after,
    slower,
    rate_q, p50_q, p99_q, errors_q,
    abi
FROM judged
WHERE changed <> '' OR getvariable('unchanged') OR (unproven <> '' AND diff.is_large(syscall, time_before_s, time_after_s))
ORDER BY
    changed = '',
    unproven = '' AND changed = '',
    diff.waiting(syscall),
    ABS(time_after_s - time_before_s) DESC NULLS LAST,
    syscall,
    abi NULLS LAST;
