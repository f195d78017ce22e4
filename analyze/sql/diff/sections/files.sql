-- Files
--
-- Files that were opened or changed in only one recording, by commands in both, busiest first. Paths that differ only
-- in digits, or in the letters of a temporary file's name, share a line. Views into the kernel, such as /proc and
-- /sys, terminals and /dev/null are left out.
CREATE VIEW diff.files(
    -- 'new' or 'gone'.
    changed,
    -- The path, or the alphabetically first of those that differ only in digits.
    path,
    -- Calls that opened or changed it.
    calls_before,
    -- The same, after.
    calls_after,
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
touched AS (
    SELECT
        f.pattern,
        MIN(f.path) AS path,
        COUNT(DISTINCT f.path) AS paths,
        CAST(SUM(CASE WHEN f.is_after THEN 0 ELSE f.calls END) AS BIGINT) AS b,
        CAST(SUM(CASE WHEN f.is_after THEN f.calls ELSE 0 END) AS BIGINT) AS a,
        MIN(f.command) AS command,
        COUNT(DISTINCT f.command) AS commands
    FROM patterned AS f
    JOIN in_both AS c ON c.command IS NOT DISTINCT FROM f.command
    WHERE f.error IS NULL AND NOT diff.is_pseudo(f.path)
    GROUP BY f.pattern
)
SELECT CASE WHEN b = 0 THEN 'new' ELSE 'gone' END, path, b, a, paths, command, commands
FROM touched
WHERE a = 0 OR b = 0
ORDER BY b > 0, a + b DESC, path;
