-- Files that could not be opened or changed: path, error and count.
--
-- From the kinds `open` and `file_op`, by call, path and error, most frequent first. Many are harmless: a program
-- that searches a list of directories for a library fails in all but the last.
--
-- needs: main.file_ops, main.opens
CREATE VIEW report.file_errors(
    -- Name of the error, such as 'ENOENT'.
    error,
    -- Name of the system call.
    syscall,
    -- The absolute path, or the path as passed if that is unknown; ends in ' ...' if cut. Starts with the mount
    -- namespace if it is not the recorder's.
    path,
    -- The second path, of calls that have two.
    path2,
    -- Calls that failed with this error.
    calls,
    -- Processes that made them.
    processes,
    -- Command name of one of them, the alphabetically first.
    comm,
    -- When it happened first.
    first
) AS
WITH failed AS (
    SELECT ts, process_key, comm, syscall, error, path_truncated,
        name AS path, CAST(NULL AS VARCHAR) AS path2
    FROM main.opens
    WHERE result < 0
    UNION ALL
    SELECT ts, process_key, comm, syscall, error, path_truncated, name, name2
    FROM main.file_ops
    WHERE result < 0
)
SELECT
    error,
    syscall,
    path || CASE WHEN path_truncated THEN ' ...' ELSE '' END AS path,
    path2,
    COUNT(*) AS calls,
    COUNT(DISTINCT process_key),
    MIN(comm),
    MIN(ts)
FROM failed
GROUP BY error, syscall, 3, path2
ORDER BY calls DESC, error NULLS LAST, syscall NULLS LAST, 3 NULLS LAST, path2 NULLS LAST;
