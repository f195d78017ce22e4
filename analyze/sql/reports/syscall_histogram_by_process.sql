-- Latency histogram of each system call of each process.
--
-- Like `syscall_histogram`, per process. A pid that was reused is two processes.
--
-- needs: finding.call_name, main.syscall_stats, unfiltered.bucket_high_ns, unfiltered.bucket_low_ns,
--    unfiltered.is_bucket, unfiltered.process_key, unfiltered.processes
CREATE VIEW report.syscall_histogram_by_process(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- Name of the call; 'syscall_N' if number N has no name, 'unknown' if the number is unknown.
    syscall,
    -- Lower limit of the bucket [ns].
    low_ns,
    -- Upper limit of the bucket [ns], exclusive.
    high_ns,
    -- Calls with a latency from `low_ns` to below `high_ns`.
    calls,
    -- System call table of the number, such as 'x86_64'.
    abi,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
cells AS (
    SELECT s.pid, s.start, n.place, s.bucket, SUM(s.calls) AS calls
    FROM main.syscall_stats AS s
    JOIN finding.call_name AS n ON n.nr IS NOT DISTINCT FROM s.nr AND n.abi IS NOT DISTINCT FROM s.abi
        AND n.syscall IS NOT DISTINCT FROM s.syscall
    WHERE unfiltered.is_bucket(s.bucket)
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
LEFT JOIN unfiltered.processes AS p ON p.process_key = unfiltered.process_key(c.pid, c.start)
ORDER BY c.pid, c.start, c.place, c.bucket;
