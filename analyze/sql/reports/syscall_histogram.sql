-- Latency histogram of each system call.
--
-- One row per bucket in use, with 8 buckets per doubling of latency. Calls that never returned, or were in flight at
-- the start or end of the recording, have no latency and are left out.
--
-- needs: main.syscall_stats, unfiltered.bucket_high_ns, unfiltered.bucket_low_ns, unfiltered.call_name, unfiltered.is_bucket
CREATE VIEW report.syscall_histogram(
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
-- Summed first, then named: naming row by row takes three times as long.
WITH counted AS (
    SELECT nr, abi, syscall, bucket, SUM(calls) AS calls
    FROM main.syscall_stats
    WHERE unfiltered.is_bucket(bucket)
    GROUP BY nr, abi, syscall, bucket
)
SELECT
    unfiltered.call_name(syscall, nr) AS name,
    unfiltered.bucket_low_ns(bucket) AS low_ns,
    unfiltered.bucket_high_ns(bucket),
    TRY_CAST(SUM(calls) AS BIGINT),
    abi
FROM counted
GROUP BY name, abi, bucket
ORDER BY name, abi NULLS LAST, low_ns;
