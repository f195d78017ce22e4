-- System calls of each process in the window, those that returned.
--
-- Percentiles are not here: they take ten times as long, and few calls need them.
CREATE VIEW finding.call(
    -- Process id (thread group id).
    pid,
    -- When the process began, since boot [ns].
    start,
    -- The table of system calls that the number is from.
    abi,
    -- Name of the call; NULL if it has none.
    syscall,
    -- Calls that returned.
    calls,
    -- Calls among them whose result was an error.
    errors,
    -- Sum of the latencies [s].
    total_s,
    -- Largest latency [us].
    max_us,
    -- Calls that took less than 20 us, or rather 20.48: the limit of a bucket.
    under_20_us,
    -- Calls that took less than 1 ms, or rather 1.048576 ms.
    under_1_ms
) AS
SELECT
    pid,
    start,
    abi,
    syscall,
    CAST(SUM(calls) AS DOUBLE PRECISION),
    CAST(SUM(errors) AS DOUBLE PRECISION),
    SUM(total_ns) / 1e9,
    MAX(max_ns) / 1e3,
    CAST(SUM(CASE WHEN bucket < 98 THEN calls ELSE 0 END) AS DOUBLE PRECISION),
    CAST(SUM(CASE WHEN bucket < 144 THEN calls ELSE 0 END) AS DOUBLE PRECISION)
FROM main.syscall_stats
WHERE bucket IS NOT NULL
GROUP BY pid, start, abi, syscall;
