-- Failing files
--
-- Paths that could not be opened or changed in one recording and did not fail this way in the other, by commands in
-- both. Paths that the other recording could open come first, views into the kernel, such as /proc, last. Paths that
-- differ only in digits, or in the letters of a temporary file's name, share a line.
CREATE VIEW diff.file_errors(
    -- 'new' or 'gone'.
    changed,
    -- The path, or the alphabetically first of those that differ only in digits.
    path,
    -- Name of the error.
    error,
    -- Calls that failed with this error.
    failed_before,
    -- The same, after.
    failed_after,
    -- Calls on it that succeeded.
    succeeded_before,
    -- The same, after.
    succeeded_after,
    -- Paths in this line.
    paths,
    -- A command that made the calls, the alphabetically first.
    command,
    -- Commands that made them.
    commands
) AS
WITH
patterned AS (
    SELECT *, diff.pattern(path) AS pattern
    FROM sides.files
    WHERE LEN(getvariable('comms')) = 0 OR LIST_CONTAINS(getvariable('comms'), command)
),
in_both AS (
    SELECT command
    FROM sides.programs
    GROUP BY command
    HAVING COUNT(DISTINCT is_after) = 2
),
failed AS (
    SELECT
        f.pattern, f.error,
        MIN(f.path) AS path,
        COUNT(DISTINCT f.path) AS paths,
        CAST(SUM(CASE WHEN f.is_after THEN 0 ELSE f.calls END) AS BIGINT) AS b,
        CAST(SUM(CASE WHEN f.is_after THEN f.calls ELSE 0 END) AS BIGINT) AS a,
        MIN(f.command) AS command,
        COUNT(DISTINCT f.command) AS commands
    FROM patterned AS f
    JOIN in_both AS c ON c.command IS NOT DISTINCT FROM f.command
    WHERE f.error IS NOT NULL
    GROUP BY f.pattern, f.error
),
succeeded AS (
    SELECT
        pattern,
        CAST(SUM(CASE WHEN is_after THEN 0 ELSE calls END) AS BIGINT) AS b,
        CAST(SUM(CASE WHEN is_after THEN calls ELSE 0 END) AS BIGINT) AS a
    FROM patterned
    WHERE error IS NULL
    GROUP BY pattern
)
SELECT
    CASE WHEN f.b = 0 THEN 'new' ELSE 'gone' END,
    f.path,
    f.error,
    f.b,
    f.a,
    COALESCE(s.b, 0),
    COALESCE(s.a, 0),
    f.paths,
    f.command,
    f.commands
FROM failed AS f
LEFT JOIN succeeded AS s ON s.pattern = f.pattern
WHERE f.a = 0 OR f.b = 0
ORDER BY diff.is_pseudo(f.path), COALESCE(CASE WHEN f.b = 0 THEN s.b ELSE s.a END, 0) = 0, f.b > 0, f.a + f.b DESC, f.path, f.error;
