-- Latency histogram of each system call of each process.
--
-- As the report `syscall_histogram`, for each process apart. A pid that was used again is two processes.
--
-- needs: finding.call_name, main.syscall_stats, unfiltered.bucket_high_ns, unfiltered.bucket_low_ns,
--    unfiltered.processes
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
cells AS (
    SELECT s.pid, s.start, n.place, s.bucket, SUM(s.calls) AS calls
    FROM main.syscall_stats AS s
    JOIN finding.call_name AS n ON n.nr IS NOT DISTINCT FROM s.nr AND n.abi IS NOT DISTINCT FROM s.abi
        AND n.syscall IS NOT DISTINCT FROM s.syscall
    WHERE s.bucket < 487
    GROUP BY s.pid, s.start, n.place, s.bucket
),
names AS (
    SELECT DISTINCT place, name, abi
    FROM finding.call_name
)
SELECT
    c.pid,
    p.comm,
    n.name,
    unfiltered.bucket_low_ns(c.bucket),
    unfiltered.bucket_high_ns(c.bucket),
    TRY_CAST(c.calls AS BIGINT),
    n.abi,
    c.start
FROM cells AS c
JOIN names AS n ON n.place = c.place
LEFT JOIN unfiltered.processes AS p ON p.pid = c.pid AND p.start IS NOT DISTINCT FROM c.start
ORDER BY c.pid, c.start, c.place, c.bucket;
