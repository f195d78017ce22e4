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
WITH
-- Added up by what the rows have, and named after that. The number tells calls apart that have no name.
cells AS (
    SELECT ts, syscall, CASE WHEN syscall IS NULL THEN nr END AS nr, abi, bucket, SUM(calls) AS calls
    FROM main.syscall_stats
    WHERE bucket < 487
    GROUP BY ts, syscall, CASE WHEN syscall IS NULL THEN nr END, abi, bucket
)
SELECT
    c.ts,
    s.interval_ns / 1e9,
    unfiltered.call_name(c.syscall, c.nr) AS syscall,
    unfiltered.bucket_low_ns(c.bucket) AS low_ns,
    unfiltered.bucket_high_ns(c.bucket),
    TRY_CAST(c.calls AS BIGINT) AS calls,
    c.abi
FROM cells AS c
LEFT JOIN main.snapshots AS s ON s.ts = c.ts
ORDER BY c.ts, unfiltered.call_name(c.syscall, c.nr), c.abi NULLS LAST, c.bucket;
