-- Commands of a side: how many processes, which programs, how much CPU time.
--
-- For all processes that existed, including kernel threads.
--
-- needs: diff.named, main.execs, main.processes
-- kept: window
CREATE VIEW diff.programs(
    -- Command name; NULL if unknown.
    command,
    -- Whether all its processes are kernel threads.
    is_kernel,
    -- Processes that existed.
    processes,
    -- Their CPU time [s]; NULL if that was not counted.
    cpu_s,
    -- The programs executed under this name in the recording, if their absolute path is known.
    paths,
    -- The alphabetically first of their command lines.
    command_line
) AS
WITH
executed AS (
    SELECT n.command, LIST(DISTINCT e.program ORDER BY e.program) AS paths
    FROM main.execs AS e
    JOIN diff.named AS n ON n.process_key = e.process_key
    WHERE e.comm = n.command AND NOT COALESCE(e.path_truncated, FALSE) AND REGEXP_MATCHES(e.program, '^(mnt:\[[0-9]+\]:)?/')
    GROUP BY n.command
),
counted AS (
    SELECT
        n.command,
        BOOL_AND(n.is_kernel) AS is_kernel,
        COUNT(*) AS processes,
        CAST(SUM(p.cpu_ns) AS DOUBLE PRECISION) / 1e9 AS cpu_s,
        MIN(p.command) AS command_line
    FROM main.processes AS p
    JOIN diff.named AS n ON n.process_key = p.process_key
    WHERE NOT n.is_recorder
    GROUP BY n.command
)
SELECT c.command, c.is_kernel, c.processes, c.cpu_s, e.paths, c.command_line
FROM counted AS c
LEFT JOIN executed AS e ON e.command = c.command;
