-- Latency histogram of each system call per snapshot: a heat map over time.
--
-- One row per snapshot, call and bucket in use, with 8 buckets per doubling of latency. A call counts in the
-- interval in which it returned. Calls that never returned, or were in flight at the start or end of the recording,
-- have no latency and are left out.
--
-- needs: finding.call_name, main.snapshots, main.syscall_stats, unfiltered.bucket_high_ns, unfiltered.bucket_low_ns,
--    unfiltered.is_bucket
CREATE VIEW report.latency_timeline(
    -- When the snapshot was taken.
    ts,
    -- Time since the previous snapshot [s].
    interval_s,
    -- Name of the call; 'syscall_N' if number N has no name, 'unknown' if the number is unknown.
    syscall,
    -- Lower limit of the bucket [ns].
    low_ns,
    -- Upper limit of the bucket [ns], exclusive.
    high_ns,
    -- Calls with a latency from `low_ns` to below `high_ns`.
    calls,
    -- System call table of the number, such as 'x86_64'.
    abi
) AS
WITH
cells AS (
    SELECT s.ts, n.place, s.bucket, SUM(s.calls) AS calls
    FROM main.syscall_stats AS s
    JOIN finding.call_name AS n ON n.nr IS NOT DISTINCT FROM s.nr AND n.abi IS NOT DISTINCT FROM s.abi
        AND n.syscall IS NOT DISTINCT FROM s.syscall
    WHERE unfiltered.is_bucket(s.bucket)
    GROUP BY s.ts, n.place, s.bucket
),
names AS (
    SELECT DISTINCT place, name, abi
    FROM finding.call_name
)
SELECT
    c.ts,
    s.interval_ns / 1e9,
    n.name,
    unfiltered.bucket_low_ns(c.bucket),
    unfiltered.bucket_high_ns(c.bucket),
    TRY_CAST(c.calls AS BIGINT),
    n.abi
FROM cells AS c
JOIN names AS n ON n.place = c.place
LEFT JOIN main.snapshots AS s ON s.ts = c.ts
ORDER BY c.ts, c.place, c.bucket;
