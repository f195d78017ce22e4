-- System calls by command
--
-- Of the commands that are in both recordings. The time that calls took changed most in the first line. Calls that
-- receive from a socket come after the others, then those that mostly wait, and last a wait for a child: how long they take
-- says what others do, which has lines of its own. Below what changed are calls that took twice as long in all or half, by
-- 10 ms in a second or run, of which nothing is proven. Latency is wall time, waiting included; a change of it counts if
-- the calls took 0.1 ms more or less in a second, or in a run. Percentiles are within 6.25 % of the true value.
CREATE VIEW diff.syscalls_by_command(
    -- The command; NULL if no name is known.
    command,
    -- Name of the call: 'syscall_N' if number N has none, 'unknown' if there was no number.
    syscall,
    -- What changed, of 'rate', 'p50', 'p99' and 'errors'; empty if nothing did.
    changed,
    -- What differs by as much, but is not proven to be more than chance, of the same four.
    unproven,
    -- Sum of the latencies for each second, or for each run [s].
    time_before_s,
    -- The same, after.
    time_after_s,
    -- Calls for each second, or for each run.
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
    -- Calls whose result was an error [%]; NULL if there were no calls.
    errors_before_pct,
    -- The same, after.
    errors_after_pct,
    -- Calls that returned or never will.
    calls_before,
    -- The same, after.
    calls_after,
    -- Probability that a call of AFTER is slower than one of BEFORE, a tie counting half; NULL if there is none.
    slower,
    -- False discovery rate at which the change of the rate counts; NULL if it cannot be known.
    rate_q,
    -- The same of the order of latencies, which decides on p50.
    p50_q,
    -- The same of the share of calls above the lesser p99, which decides on p99.
    p99_q,
    -- The same of the share of errors.
    errors_q,
    -- The table of system calls that it is from, of others than 64-bit programs such as 'i386'; NULL for theirs.
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
    WHERE NOT all_commands
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
    command,
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
    command NULLS LAST, syscall,
    abi NULLS LAST;
