-- Steady growth of a process in the window: of its own memory, shared memory, descriptors or threads.
--
-- Linear, with r2 of at least 0.9, over 10 snapshots and 10 s or more since its last exec, by at least 10 %, with
-- at least a quarter of the growth in each half of the time. Left out: processes that began and ended successfully
-- in the window and needed a CPU for half of their life.
--
-- needs: finding.process, main.execs, main.memory, report.pss, unfiltered.process_key
-- kept: window
CREATE VIEW finding.trend(
    -- What identifies the process: a struct of `pid` and `start`.
    process_key,
    -- What grew: 'own', 'shared', 'descriptors' or 'threads'.
    what,
    -- Samples in the window.
    samples,
    -- From the first to the last [s].
    span_s,
    -- First value [bytes, or a number].
    first_value,
    -- Last value.
    last_value,
    -- Slope of the line, per minute.
    per_min,
    -- Share of the variance that the line explains, 0 to 1.
    r2,
    -- Anonymous memory shared since a fork and not in these values [bytes]; NULL if unknown.
    aside
) AS
WITH
-- An exec replaces the process's memory.
execs AS (
    SELECT process_key, MAX(ts) AS ts
    FROM main.execs
    GROUP BY process_key
),
held AS (
    SELECT
        m.process_key,
        EPOCH_NS(m.ts) / 1e9 AS at_s,
        m.rss_anon_bytes,
        m.rss_shmem_bytes,
        m.swap_bytes,
        m.descriptors,
        m.threads,
        1048576 * s.shared_anon_mib AS aside
    FROM main.memory AS m
    LEFT JOIN execs AS e ON e.process_key = m.process_key
    LEFT JOIN report.pss AS s ON unfiltered.process_key(s.pid, s.start) = m.process_key
        AND (e.ts IS NULL OR s.read >= e.ts)
    WHERE e.ts IS NULL OR m.ts >= e.ts
),
samples AS (
    SELECT process_key, at_s, 'own' AS what,
        CAST(rss_anon_bytes AS DOUBLE PRECISION) + COALESCE(swap_bytes, 0) - COALESCE(aside, 0) AS value, aside
    FROM held
    UNION ALL SELECT process_key, at_s, 'shared', CAST(rss_shmem_bytes AS DOUBLE PRECISION), aside FROM held
    UNION ALL SELECT process_key, at_s, 'descriptors', CAST(descriptors AS DOUBLE PRECISION), aside FROM held
    UNION ALL SELECT process_key, at_s, 'threads', CAST(threads AS DOUBLE PRECISION), aside FROM held
),
ends AS (
    SELECT process_key, what, MIN(at_s) AS first_s, MAX(at_s) AS last_s
    FROM samples
    WHERE value IS NOT NULL
    GROUP BY process_key, what
    HAVING COUNT(*) >= 10 AND MAX(at_s) - MIN(at_s) >= 10 AND MIN(value) < MAX(value)
),
lines AS (
    SELECT
        m.process_key,
        m.what,
        COUNT(*) AS samples,
        ANY_VALUE(e.last_s - e.first_s) AS span_s,
        MIN_BY(m.value, m.at_s) AS first_value,
        MAX_BY(m.value, m.at_s) AS last_value,
        MAX_BY(m.value, CASE WHEN m.at_s <= (e.first_s + e.last_s) / 2 THEN m.at_s END) AS middle_value,
        60 * REGR_SLOPE(m.value, m.at_s - e.first_s) AS per_min,
        REGR_R2(m.value, m.at_s - e.first_s) AS r2,
        ANY_VALUE(m.aside) AS aside
    FROM samples AS m
    JOIN ends AS e ON e.process_key = m.process_key AND e.what = m.what
    WHERE m.value IS NOT NULL
    GROUP BY m.process_key, m.what
)
SELECT l.process_key, l.what, l.samples, l.span_s, l.first_value, l.last_value, l.per_min, l.r2, l.aside
FROM lines AS l
JOIN finding.process AS p ON p.process_key = l.process_key
WHERE NOT (p.ended_here AND COALESCE(p.exit_code = 0, FALSE) AND p.lifetime_ns / 1e9 <= p.alive_s + 0.1
        AND COALESCE(p.cpu_s, 0) + COALESCE(p.wait_s, 0) >= 0.5 * p.alive_s)
    AND l.r2 >= 0.9
    AND l.last_value - l.first_value >= 0.1 * l.first_value
    AND l.middle_value - l.first_value >= 0.25 * (l.last_value - l.first_value)
    AND l.last_value - l.middle_value >= 0.25 * (l.last_value - l.first_value);
