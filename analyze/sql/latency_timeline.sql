-- Latency histogram of each system call from snapshot to snapshot: a heat map of latency over time.
--
-- One row for each snapshot, call and bucket in use, 8 buckets to a doubling of latency. A call counts in the interval in
-- which it returned. Calls that never returned, or that an end of the recording cut, have no latency and are left out.
CREATE VIEW report.latency_timeline(
    -- When the snapshot was taken.
    ts,
    -- Time since the snapshot before [s].
    interval_s,
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
WITH cells AS (
    SELECT ts, syscall, abi, low_ns, high_ns, SUM(calls) AS calls
    FROM main.syscall_latencies
    WHERE returned
        AND low_ns IS NOT NULL
    GROUP BY ts, syscall, abi, low_ns, high_ns
)
SELECT
    c.ts,
    s.interval_ns / 1e9,
    c.syscall,
    c.low_ns,
    c.high_ns,
    TRY_CAST(c.calls AS BIGINT),
    c.abi
FROM cells AS c
LEFT JOIN main.snapshots AS s ON s.ts = c.ts
ORDER BY c.ts, c.syscall, c.abi NULLS LAST, c.low_ns;
