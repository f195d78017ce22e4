-- CPU time by command
--
-- Commands in both recordings, largest change first. A change must be at least 5 ms per second or 10 ms per run. For
-- single runs significance is unknown, so the size of the change decides; likewise for recordings of less than two
-- intervals, where only a factor of two counts.
CREATE VIEW diff.cpu(
    -- Command name; NULL if unknown.
    command,
    -- Whether it changed.
    changed,
    -- CPU time per second, or per run [s].
    cpu_before_s,
    -- The same, after.
    cpu_after_s,
    -- Time waiting for a CPU, per second or per run [s]; NULL if the kernel does not count it.
    wait_before_s,
    -- The same, after.
    wait_after_s,
    -- Processes that existed.
    processes_before,
    -- The same, after.
    processes_after,
    -- False discovery rate at which the change in CPU time counts; NULL if unknown.
    cpu_q
) AS
WITH
counted AS (
    SELECT
        command,
        CAST(SUM(CASE WHEN is_after THEN 0 ELSE processes END) AS BIGINT) AS processes_before,
        CAST(SUM(CASE WHEN is_after THEN processes ELSE 0 END) AS BIGINT) AS processes_after
    FROM sides.programs
    GROUP BY command
),
scaled AS (
    SELECT
        t.command,
        t.cpu_before_s / NULLIF(b.exposure, 0) AS cpu_before_s,
        t.cpu_after_s / NULLIF(a.exposure, 0) AS cpu_after_s,
        t.wait_before_s / NULLIF(b.exposure, 0) AS wait_before_s,
        t.wait_after_s / NULLIF(a.exposure, 0) AS wait_after_s,
        t.cpu_q,
        b.per,
        CASE WHEN b.per = 's' THEN 0.005 ELSE 0.01 END AS least_s
    FROM tested.cpu AS t
    CROSS JOIN (SELECT exposure, per FROM sides.spans WHERE NOT is_after) AS b
    CROSS JOIN (SELECT exposure FROM sides.spans WHERE is_after) AS a
),
judged AS (
    SELECT
        *,
        COALESCE(
            COALESCE(cpu_q <= getvariable('level'), per = 'run' OR cpu_before_s > 2 * cpu_after_s OR cpu_after_s > 2 * cpu_before_s)
            AND diff.apart(cpu_before_s, cpu_after_s)
            AND ABS(cpu_after_s - cpu_before_s) >= least_s, FALSE
        ) AS changed
    FROM scaled
)
SELECT
    j.command,
    j.changed,
    j.cpu_before_s, j.cpu_after_s,
    j.wait_before_s, j.wait_after_s,
    c.processes_before, c.processes_after,
    j.cpu_q
FROM judged AS j
JOIN counted AS c ON c.command IS NOT DISTINCT FROM j.command
WHERE j.changed OR getvariable('unchanged')
ORDER BY NOT j.changed, ABS(j.cpu_after_s - j.cpu_before_s) DESC NULLS LAST, j.command NULLS LAST;
