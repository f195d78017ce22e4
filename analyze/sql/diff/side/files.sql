-- Files that a side opened or changed, or failed to, by command.
--
-- Paths of opens and of calls that change files by path, without the recorder's own.
--
-- needs: diff.named, main.file_ops, main.opens
-- kept: window
CREATE VIEW diff.files(
    -- The absolute path, or the path as passed if that is unknown. Starts with the mount namespace if it is not the
    -- recorder's.
    path,
    -- Whether the call opens the file; otherwise it changes it.
    is_open,
    -- Name of the error; NULL on success.
    error,
    -- Command name; NULL if unknown.
    command,
    -- Calls.
    calls
) AS
WITH touched AS (
    SELECT name AS path, TRUE AS is_open, error, process_key
    FROM main.opens
    WHERE NOT COALESCE(path_truncated, FALSE)
    UNION ALL
    SELECT name, FALSE, error, process_key
    FROM main.file_ops
    WHERE NOT COALESCE(path_truncated, FALSE)
)
SELECT t.path, t.is_open, t.error, n.command, COUNT(*)
FROM touched AS t
LEFT JOIN diff.named AS n ON n.process_key = t.process_key
WHERE t.path IS NOT NULL AND NOT COALESCE(n.is_recorder, FALSE)
GROUP BY t.path, t.is_open, t.error, n.command;
