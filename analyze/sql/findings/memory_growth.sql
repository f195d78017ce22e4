-- A process whose memory grows steadily.
--
-- The memory of a process of its own (anonymous, shared and swapped) grew along a line, with r2 of at least 0.9, over
-- 10 snapshots and 10 s or more since its last exec, by 8 MiB and 10 % in all, at 1 MiB a minute or more, and in each
-- half of the time by a quarter of it. High from 1 GiB a minute on, medium from 32 MiB a minute on. That is how a leak
-- looks, and also how a program looks that fills a cache or reads its input: look again later. Left out is what began
-- and ended in the window with success and wanted a CPU half of its life, as a compiler does: it needs memory for what
-- it computes.
CREATE VIEW finding.memory_growth(
    -- How much it matters: 'high', 'medium' or 'low'.
    severity,
    -- What it weighs among those of its severity, the more the worse; of most rules its share of the window.
    weight,
    -- Process id of the process concerned; NULL: none, or several.
    pid,
    -- When that process began, since boot [ns].
    start,
    -- What it is about; NULL: the process, by its name and id.
    subject,
    -- What is the matter with it, in words that follow on the subject.
    summary,
    -- The numbers that say so.
    evidence,
    -- From what on it is a finding.
    threshold,
    -- What shows more, as arguments of `sysmon report TRACE`.
    command,
    -- The kinds of rows that it rests on, in the order of the alphabet.
    rests_on
) AS
WITH
-- An exec gives the process new memory.
execs AS (
    SELECT pid, start, MAX(ts) AS ts
    FROM main.execs
    GROUP BY pid, start
),
samples AS (
    SELECT
        m.pid,
        m.start,
        EPOCH_NS(m.ts) / 1e9 AS at_s,
        CAST(m.rss_anon_bytes AS DOUBLE PRECISION) + COALESCE(m.rss_shmem_bytes, 0) + COALESCE(m.swap_bytes, 0) AS bytes
    FROM main.memory AS m
    LEFT JOIN execs AS e ON e.pid = m.pid AND e.start IS NOT DISTINCT FROM m.start
    WHERE m.rss_anon_bytes IS NOT NULL AND (e.ts IS NULL OR m.ts >= e.ts)
),
ends AS (
    SELECT pid, start, MIN(at_s) AS first_s, MAX(at_s) AS last_s
    FROM samples
    GROUP BY pid, start
    HAVING COUNT(*) >= 10 AND MAX(at_s) - MIN(at_s) >= 10
),
lines AS (
    SELECT
        m.pid,
        m.start,
        COUNT(*) AS samples,
        ANY_VALUE(e.last_s - e.first_s) AS span_s,
        MIN_BY(m.bytes, m.at_s) AS first_bytes,
        MAX_BY(m.bytes, m.at_s) AS last_bytes,
        MAX_BY(m.bytes, CASE WHEN m.at_s <= (e.first_s + e.last_s) / 2 THEN m.at_s END) AS middle_bytes,
        60 * REGR_SLOPE(m.bytes, m.at_s - e.first_s) AS bytes_per_min,
        REGR_R2(m.bytes, m.at_s - e.first_s) AS r2
    FROM samples AS m
    JOIN ends AS e ON e.pid = m.pid AND e.start IS NOT DISTINCT FROM m.start
    GROUP BY m.pid, m.start
)
SELECT
    CASE
        WHEN l.bytes_per_min >= 1073741824 THEN 'high'
        WHEN l.bytes_per_min >= 33554432 THEN 'medium'
        ELSE 'low'
    END,
    l.bytes_per_min / 1073741824,
    p.pid,
    p.start,
    NULL,
    FORMAT('grows by {:.1f} MiB a minute, as with a leak', l.bytes_per_min / 1048576),
    FORMAT('from {:.1f} to {:.1f} MiB of its own in {:.1f} s and {} snapshots: {:.1f} MiB a minute, r2 {:.3f}',
        l.first_bytes / 1048576, l.last_bytes / 1048576, l.span_s, l.samples, l.bytes_per_min / 1048576, l.r2),
    '10 snapshots, 10 s, 8 MiB, 10 %, 1 MiB a minute, r2 0.9, a quarter of it in each half',
    FORMAT('memory_growth --pid {}', p.pid),
    'cpu, memory'
FROM lines AS l
JOIN finding.process AS p ON p.pid = l.pid AND p.start IS NOT DISTINCT FROM l.start
WHERE NOT (p.ended_here AND COALESCE(p.exit_code = 0, FALSE) AND p.lifetime_ns / 1e9 <= p.alive_s + 0.1
        AND COALESCE(p.cpu_s, 0) + COALESCE(p.wait_s, 0) >= 0.5 * p.alive_s)
    AND l.r2 >= 0.9
    AND l.bytes_per_min >= 1048576
    AND l.last_bytes - l.first_bytes >= 8388608
    AND l.last_bytes - l.first_bytes >= 0.1 * l.first_bytes
    AND l.middle_bytes - l.first_bytes >= 0.25 * (l.last_bytes - l.first_bytes)
    AND l.last_bytes - l.middle_bytes >= 0.25 * (l.last_bytes - l.first_bytes);
