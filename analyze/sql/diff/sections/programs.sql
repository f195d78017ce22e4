-- Programs
--
-- Commands that only one recording has, and those executed from a different path, by CPU time. Kernel threads are
-- left out.
CREATE VIEW diff.programs(
    -- 'new', 'gone' or 'moved'; NULL if neither.
    changed,
    -- Command name; NULL if unknown.
    command,
    -- Processes that existed; 0 if there were none.
    processes_before,
    -- The same, after.
    processes_after,
    -- CPU time per second, or per run [s]; NULL if that was not counted, or there were no processes.
    cpu_before_s,
    -- The same, after.
    cpu_after_s,
    -- Alphabetically first path from which it was executed in the recording; NULL if it was not, or
    -- not by a path from the root.
    path_before,
    -- The same, after.
    path_after,
    -- The command line of one of its processes, after if there are any, else before.
    command_line
) AS
WITH paired AS (
    SELECT
        COALESCE(a.command, b.command) AS command,
        b.processes AS processes_before,
        a.processes AS processes_after,
        b.cpu_s AS cpu_before,
        a.cpu_s AS cpu_after,
        b.paths[1] AS path_before,
        a.paths[1] AS path_after,
        COALESCE(a.command_line, b.command_line) AS command_line,
        COALESCE(a.is_kernel, b.is_kernel) AS is_kernel,
        CASE
            WHEN b.processes IS NULL THEN 'new'
            WHEN a.processes IS NULL THEN 'gone'
            WHEN LEN(a.paths) > 0 AND LEN(b.paths) > 0 AND NOT LIST_HAS_ANY(a.paths, b.paths) THEN 'moved'
        END AS changed
    FROM (SELECT * FROM sides.programs WHERE NOT is_after) AS b
    FULL JOIN (SELECT * FROM sides.programs WHERE is_after) AS a ON a.command IS NOT DISTINCT FROM b.command
)
SELECT
    p.changed,
    p.command,
    COALESCE(p.processes_before, 0),
    COALESCE(p.processes_after, 0),
    p.cpu_before / NULLIF(b.exposure, 0) AS cpu_before_s,
    p.cpu_after / NULLIF(a.exposure, 0) AS cpu_after_s,
    p.path_before,
    p.path_after,
    p.command_line
FROM paired AS p
CROSS JOIN (SELECT exposure FROM sides.spans WHERE NOT is_after) AS b
CROSS JOIN (SELECT exposure FROM sides.spans WHERE is_after) AS a
WHERE (p.changed IS NOT NULL OR getvariable('unchanged'))
    AND NOT p.is_kernel
    AND (LEN(getvariable('comms')) = 0 OR LIST_CONTAINS(getvariable('comms'), p.command))
ORDER BY p.changed IS NULL, ABS(COALESCE(cpu_after_s, 0) - COALESCE(cpu_before_s, 0)) DESC, p.command NULLS LAST;
