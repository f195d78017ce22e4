-- Storms of short-lived processes: which command, started by whom, and how many.
--
-- A process is short-lived if it lived less than 1 s; 20 with one name and one parent are a storm. The parent is the
-- nearest ancestor that is not short-lived itself, so that what a build starts through shells and compiler drivers
-- counts for the build. CPU time is that of the window, and of short-lived processes only.
--
-- needs: main.processes, unfiltered.processes
CREATE VIEW report.storms(
    -- Last known command name.
    comm,
    -- Last known command name of the process behind it; NULL if unknown.
    parent_comm,
    -- Process id of the process behind it.
    parent_pid,
    -- Short-lived processes.
    processes,
    -- When the first began.
    first_started,
    -- When the last ended.
    last_ended,
    -- The most that began within any one second.
    peak_per_s,
    -- Median of their lifetimes [ms].
    median_lifetime_ms,
    -- CPU time of all [s]; NULL if not counted for any.
    cpu_s,
    -- Of these, processes that exited with a non-zero code or were killed by a signal.
    failed,
    -- `start` of the process behind it [ns].
    parent_start
) AS
WITH RECURSIVE
everyone AS (
    SELECT process_key, parent_key, comm, COALESCE(lifetime_ns < 1e9, FALSE) AS short_lived
    FROM unfiltered.processes
),
short AS (
    SELECT parent_key, comm, started, ended, lifetime_ns, cpu_ns, exit_code, signal
    FROM main.processes
    WHERE lifetime_ns < 1e9
        AND comm IS NOT NULL
),
-- From each parent up to the first that is not short-lived, at most 100 levels: a damaged trace may have cycles.
climb AS (
    SELECT e.process_key AS from_key, e.process_key, e.parent_key, e.comm, e.short_lived, 0 AS height
    FROM everyone AS e
    JOIN (SELECT DISTINCT parent_key FROM short) AS s ON s.parent_key = e.process_key
    UNION ALL
    SELECT c.from_key, e.process_key, e.parent_key, e.comm, e.short_lived, c.height + 1
    FROM climb AS c
    JOIN everyone AS e ON e.process_key = c.parent_key
    WHERE c.short_lived
        AND c.height < 100
),
tops AS (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY from_key ORDER BY height DESC) AS n
    FROM climb
),
members AS (
    SELECT
        s.*,
        EPOCH_NS(s.started) AS began_ns,
        t.process_key AS parent,
        t.comm AS parent_comm
    FROM short AS s
    LEFT JOIN tops AS t ON t.from_key = s.parent_key AND t.n = 1
),
paced AS (
    SELECT
        *,
        COUNT(*) OVER (
            PARTITION BY comm, parent
            ORDER BY began_ns
            RANGE BETWEEN CURRENT ROW AND 999999999 FOLLOWING
        ) AS within_1_s
    FROM members
)
SELECT
    comm,
    MAX(parent_comm),
    parent.pid,
    COUNT(*) AS processes,
    MIN(started) AS first_started,
    MAX(ended),
    MAX(within_1_s),
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY lifetime_ns) / 1e6,
    SUM(cpu_ns) / 1e9,
    TRY_CAST(SUM(CASE WHEN exit_code <> 0 OR signal IS NOT NULL THEN 1 ELSE 0 END) AS BIGINT),
    parent.start
FROM paced
GROUP BY comm, parent
HAVING COUNT(*) >= 20
ORDER BY processes DESC, comm, parent.pid NULLS LAST, parent.start;
