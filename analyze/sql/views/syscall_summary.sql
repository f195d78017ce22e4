-- Counts and latencies of each system call: once over all processes, and once for each process.
--
-- Percentiles are by nearest rank over the buckets: the middle of the bucket that holds the rank, but at most the largest
-- latency seen in it, which is within 6.25 % of the true value. Latencies are of the calls that returned, and NULL if none did.
CREATE VIEW syscall_summary(
    -- Whether the row is for one process, else for all.
    of_process,
    -- Process id (thread group id); NULL if for all.
    pid,
    -- `start` of the process [ns]; NULL if for all.
    start,
    -- The table of system calls that the number is from, such as 'x86_64'.
    abi,
    -- Name of the call.
    syscall,
    -- Calls issued: they returned, or will never return, or were in flight at the end. A call that returned but was
    -- issued before the recording began is counted in `in_flight` only.
    calls,
    -- Calls among them whose result was an error.
    errors,
    -- Sum of the latencies [ns].
    total_ns,
    -- Mean latency [ns].
    mean_ns,
    -- Median latency [ns].
    p50_ns,
    -- 90th percentile of latency [ns].
    p90_ns,
    -- 99th percentile of latency [ns].
    p99_ns,
    -- Largest latency [ns].
    max_ns,
    -- Calls among `calls` that will never return, as exit_group.
    no_return,
    -- Calls that an end of the recording cut: in flight when it began, when it ended, or both.
    in_flight
) AS
WITH
cells AS (
    SELECT pid, start, abi, syscall, low_ns, high_ns, calls, errors,
        CASE WHEN returned THEN calls END AS returned,
        CASE WHEN returned THEN total_ns END AS total_ns,
        CASE WHEN returned THEN max_ns END AS max_ns,
        CASE WHEN returned THEN 0 ELSE calls END AS no_return,
        0 AS in_flight
    FROM main.syscall_latencies
    UNION ALL
    SELECT pid, start, abi, COALESCE(syscall, 'syscall_' || CAST(nr AS VARCHAR), 'unknown'), NULL, NULL,
        CASE WHEN edge = 'end' THEN 1 ELSE 0 END, 0, NULL, NULL, NULL, 0, 1
    FROM main.syscalls_in_flight
),
-- One row a bucket, for all processes and for each. The calls that did not return are a bucket of their own: low_ns IS NULL.
buckets AS (
    SELECT
        GROUPING(pid) = 0 AS of_process, pid, start, abi, syscall, low_ns, high_ns,
        SUM(calls) AS calls,
        SUM(errors) AS errors,
        SUM(returned) AS returned,
        SUM(total_ns) AS total_ns,
        MAX(max_ns) AS max_ns,
        SUM(no_return) AS no_return,
        SUM(in_flight) AS in_flight
    FROM cells
    GROUP BY GROUPING SETS (
        (abi, syscall, low_ns, high_ns),
        (pid, start, abi, syscall, low_ns, high_ns)
    )
),
ranked AS (
    SELECT
        *,
        CASE WHEN low_ns IS NOT NULL THEN LEAST(low_ns + (high_ns - low_ns - 1) / 2.0, max_ns) END AS middle_ns,
        SUM(CASE WHEN low_ns IS NOT NULL THEN returned END) OVER calls_of AS n,
        SUM(CASE WHEN low_ns IS NOT NULL THEN returned END) OVER (calls_of ORDER BY low_ns NULLS LAST) AS reached
    FROM buckets
    WINDOW calls_of AS (PARTITION BY of_process, pid, start, abi, syscall)
)
SELECT
    of_process,
    pid,
    start,
    abi,
    syscall,
    TRY_CAST(SUM(calls) AS BIGINT),
    TRY_CAST(SUM(errors) AS BIGINT),
    TRY_CAST(SUM(total_ns) AS BIGINT),
    CAST(SUM(total_ns) AS DOUBLE PRECISION) / NULLIF(SUM(returned), 0),
    -- The smallest bucket whose rank reaches p percent of n, in integers: rank * 100 >= n * p.
    MIN(CASE WHEN returned > 0 AND reached * 100 >= n * 50 THEN middle_ns END),
    MIN(CASE WHEN returned > 0 AND reached * 100 >= n * 90 THEN middle_ns END),
    MIN(CASE WHEN returned > 0 AND reached * 100 >= n * 99 THEN middle_ns END),
    MAX(max_ns),
    TRY_CAST(SUM(no_return) AS BIGINT),
    TRY_CAST(SUM(in_flight) AS BIGINT)
FROM ranked
GROUP BY of_process, pid, start, abi, syscall;
