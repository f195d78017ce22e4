-- Files that could not be opened or changed: which path, which error, how often.
--
-- Over the kinds `open` and `file_op`, by call, path and error, the commonest first. Many are harmless: a program that
-- looks for a library along a list of directories fails in all but the last.
--
-- needs: main.file_ops, main.opens
CREATE VIEW report.file_errors(
    -- Name of the error, such as 'ENOENT'.
    error,
    -- Name of the system call.
    syscall,
    -- The path from the root, or as it was passed if that is not known; ends in ' ...' if cut. In another mount
    -- namespace than the recorder's it begins with that.
    path,
    -- The second path of a call that has two.
    path2,
    -- Calls that failed so.
    calls,
    -- Processes that made them.
    processes,
    -- Command name of one of them, the first in the alphabet.
    comm,
    -- When it happened first.
    first
) AS
WITH failed AS (
    SELECT ts, pid, start, comm, syscall, error, path_truncated,
        name AS path, CAST(NULL AS VARCHAR) AS path2
    FROM main.opens
    WHERE result < 0
    UNION ALL
    SELECT ts, pid, start, comm, syscall, error, path_truncated, name, name2
    FROM main.file_ops
    WHERE result < 0
)
SELECT
    error,
    syscall,
    path || CASE WHEN path_truncated THEN ' ...' ELSE '' END AS path,
    path2,
    COUNT(*) AS calls,
    COUNT(DISTINCT (pid, start)),
    MIN(comm),
    MIN(ts)
FROM failed
GROUP BY error, syscall, 3, path2
ORDER BY calls DESC, error NULLS LAST, syscall NULLS LAST, 3 NULLS LAST, path2 NULLS LAST;
