-- Files opened: how often, by how many processes, with what success, and how long it took.
--
-- Over the calls open, openat, openat2 and creat that returned, by path, the busiest first. A path that is relative to a
-- directory that is not known stands as it was passed. Two names of one file are two rows, and `..` is left as it is.
-- Not seen: opens by 32-bit programs and by io_uring.
CREATE VIEW report.files(
    -- The path from the root; ends in ' ...' if cut, NULL if it was not in memory.
    path,
    -- Calls, failed ones included.
    opens,
    -- Calls among them that failed.
    errors,
    -- Calls among them that succeeded and let the file be written.
    for_writing,
    -- Processes that made them.
    processes,
    -- Sum of the latencies [s].
    total_s,
    -- Mean latency [us].
    mean_us,
    -- Largest latency [us].
    max_us
) AS
WITH
-- Added up by what was passed first: a path is put together for each, and not for each call.
passed AS (
    SELECT origin, directory, path, path_truncated, pid, start,
        COUNT(*) AS opens,
        COUNT(error) AS errors,
        COUNT(CASE WHEN result >= 0 AND flags % 4 <> 0 THEN 1 END) AS for_writing,
        SUM(latency_ns) AS total_ns,
        COUNT(latency_ns) AS timed,
        MAX(latency_ns) AS max_ns
    FROM main.opens
    GROUP BY origin, directory, path, path_truncated, pid, start
),
named AS (
    SELECT
        *,
        COALESCE(unfiltered.full_path(origin, path, directory), path)
        || CASE WHEN path_truncated THEN ' ...' ELSE '' END AS name
    FROM passed
),
-- A process may have named one file in several ways.
by_process AS (
    SELECT name, pid, start,
        SUM(opens) AS opens,
        SUM(errors) AS errors,
        SUM(for_writing) AS for_writing,
        SUM(total_ns) AS total_ns,
        SUM(timed) AS timed,
        MAX(max_ns) AS max_ns
    FROM named
    GROUP BY name, pid, start
)
SELECT
    name,
    CAST(SUM(opens) AS BIGINT) AS opens,
    CAST(SUM(errors) AS BIGINT),
    CAST(SUM(for_writing) AS BIGINT),
    COUNT(*),
    CAST(SUM(total_ns) AS DOUBLE PRECISION) / 1e9 AS total_s,
    CAST(SUM(total_ns) AS DOUBLE PRECISION) / NULLIF(SUM(timed), 0) / 1e3,
    MAX(max_ns) / 1e3
FROM by_process
GROUP BY name
ORDER BY opens DESC, total_s DESC NULLS LAST, name NULLS LAST;
