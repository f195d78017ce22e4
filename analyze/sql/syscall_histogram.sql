-- Latency histogram of each system call.
--
-- One row for each bucket in use, 8 buckets to a doubling of latency. Calls that never returned, or that an end of the
-- recording cut, have no latency and are left out.
CREATE VIEW report.syscall_histogram(
    -- Name of the call: 'syscall_N' if number N has none, 'unknown' if there was no number.
    syscall,
    -- Smallest latency of the bucket [ns].
    low_ns,
    -- Smallest latency of the next bucket [ns].
    high_ns,
    -- Calls with a latency from `low_ns` to below `high_ns`.
    calls,
    -- The table of system calls that the number is from, such as 'x86_64'.
    abi
) AS
SELECT
    syscall,
    low_ns,
    high_ns,
    TRY_CAST(SUM(calls) AS BIGINT),
    abi
FROM main.syscall_latencies
WHERE returned
    AND low_ns IS NOT NULL
GROUP BY syscall, abi, low_ns, high_ns
ORDER BY syscall, abi NULLS LAST, low_ns;
