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
SELECT
    COALESCE(full_path, path) || CASE WHEN path_truncated THEN ' ...' ELSE '' END AS path,
    COUNT(*) AS opens,
    COUNT(error) AS errors,
    COUNT(CASE WHEN result >= 0 AND flags % 4 <> 0 THEN 1 END),
    COUNT(DISTINCT (pid, start)),
    CAST(SUM(latency_ns) AS DOUBLE PRECISION) / 1e9 AS total_s,
    CAST(SUM(latency_ns) AS DOUBLE PRECISION) / COUNT(latency_ns) / 1e3,
    MAX(latency_ns) / 1e3
FROM main.opens
GROUP BY 1
ORDER BY opens DESC, total_s DESC NULLS LAST, 1 NULLS LAST;
