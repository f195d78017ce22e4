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
WITH cells AS (
    SELECT pid, start, syscall, abi, low_ns, high_ns, SUM(calls) AS calls
    FROM main.syscall_latencies
    WHERE returned
        AND low_ns IS NOT NULL
    GROUP BY pid, start, syscall, abi, low_ns, high_ns
)
SELECT
    c.pid,
    p.comm,
    c.syscall,
    c.low_ns,
    c.high_ns,
    TRY_CAST(c.calls AS BIGINT),
    c.abi,
    c.start
FROM cells AS c
LEFT JOIN unfiltered.processes AS p ON p.pid = c.pid AND p.start IS NOT DISTINCT FROM c.start
ORDER BY c.pid, c.start, c.syscall, c.abi NULLS LAST, c.low_ns;
