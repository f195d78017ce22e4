-- Latency histogram of each system call of each process.
--
-- As the report `syscall_histogram`, for each process apart. A pid that was used again is two processes.
CREATE VIEW report.syscall_histogram_by_process(
    -- Process id (thread group id).
    pid,
    -- Command name, last known.
    comm,
    -- Name of the call: 'syscall_N' if number N has none, 'unknown' if there was no number.
    syscall,
    -- Smallest latency of the bucket [ns].
    low_ns,
    -- Smallest latency of the next bucket [ns].
    high_ns,
    -- Calls with a latency from `low_ns` to below `high_ns`.
    calls,
    -- The table of system calls that the number is from, such as 'x86_64'.
    abi,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start
) AS
WITH
-- Added up by what the rows have, and named after that. The number tells calls apart that have no name.
cells AS (
    SELECT pid, start, syscall, CASE WHEN syscall IS NULL THEN nr END AS nr, abi, bucket, SUM(calls) AS calls
    FROM main.syscall_stats
    WHERE bucket < 487
    GROUP BY pid, start, syscall, CASE WHEN syscall IS NULL THEN nr END, abi, bucket
)
SELECT
    c.pid,
    p.comm,
    unfiltered.call_name(c.syscall, c.nr) AS syscall,
    unfiltered.bucket_low_ns(c.bucket) AS low_ns,
    unfiltered.bucket_high_ns(c.bucket),
    TRY_CAST(c.calls AS BIGINT) AS calls,
    c.abi,
    c.start
FROM cells AS c
LEFT JOIN unfiltered.processes AS p ON p.pid = c.pid AND p.start IS NOT DISTINCT FROM c.start
ORDER BY c.pid, c.start, unfiltered.call_name(c.syscall, c.nr), c.abi NULLS LAST, c.bucket;
