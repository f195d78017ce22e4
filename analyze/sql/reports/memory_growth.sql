-- Growth of each process's resident memory: a straight line through its samples, in bytes a minute.
--
-- A sample is a snapshot in which the process ran, since its last exec in the window. The line is by least squares; with
-- fewer than three samples there is none. Memory that is given back, or a step, shows in `r2`: near 1 the growth is
-- steady, near 0 there is no line in it.
--
-- needs: main.execs, main.memory, unfiltered.processes, unfiltered.rss
CREATE VIEW report.memory_growth(
    -- Process id (thread group id).
    pid,
    -- Command name, last known.
    comm,
    -- Resident memory in the first sample [bytes].
    first_rss_bytes,
    -- Resident memory in the last sample [bytes].
    last_rss_bytes,
    -- The most resident memory that it has had since its last exec, also between samples and before the recording
    -- [bytes]; NULL if not known.
    peak_rss_bytes,
    -- Slope of the line [bytes a minute]; below 0 if it shrank, NULL with fewer than three samples.
    growth_bytes_per_min,
    -- Of that, by anonymous memory alone, which is the process's own but for what it shares since a fork [bytes a minute].
    anon_bytes_per_min,
    -- Of that, by shared memory alone, which it may be touching for the first time only [bytes a minute].
    shmem_bytes_per_min,
    -- How much of the variance the line explains, from 0 to 1; NULL with fewer than three samples, and if the memory never
    -- changed, as there is none.
    r2,
    -- Samples in the window.
    samples,
    -- From the first sample to the last [s].
    span_s,
    -- Arguments of the program that it ran last, else its path, else its name in brackets; ends in ' ...' if cut.
    command,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start
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
        m.pid, m.start,
        EPOCH_NS(m.ts) AS ns,
        m.peak_rss_bytes,
        m.rss_anon_bytes,
        m.rss_shmem_bytes,
        -- TRY: a sum that no machine can have is damage, and must not cost the whole answer.
        unfiltered.rss(m.rss_anon_bytes, m.rss_file_bytes, m.rss_shmem_bytes) AS rss_bytes
    FROM main.memory AS m
    LEFT JOIN execs AS e ON e.pid = m.pid AND e.start IS NOT DISTINCT FROM m.start
    WHERE e.ts IS NULL OR m.ts >= e.ts
),
-- Time from each process's first sample: with so few digits before the point the sums below keep theirs.
placed AS (
    SELECT
        *,
        (ns - MIN(ns) OVER one) / 1e9 AS second,
        ROW_NUMBER() OVER (one ORDER BY ns, rss_bytes) AS n,
        COUNT(*) OVER one AS samples
    FROM samples
    WHERE rss_bytes IS NOT NULL
    WINDOW one AS (PARTITION BY pid, start)
),
totals AS (
    SELECT
        pid, start,
        MAX(CASE WHEN n = 1 THEN rss_bytes END) AS first_rss,
        MAX(CASE WHEN n = samples THEN rss_bytes END) AS last_rss,
        MAX(peak_rss_bytes) AS peak,
        CASE WHEN COUNT(*) >= 3 THEN 60 * REGR_SLOPE(CAST(rss_bytes AS DOUBLE PRECISION), second) END AS growth,
        CASE WHEN COUNT(*) >= 3 THEN 60 * REGR_SLOPE(CAST(rss_anon_bytes AS DOUBLE PRECISION), second) END AS anon_growth,
        CASE WHEN COUNT(*) >= 3
            THEN 60 * REGR_SLOPE(CAST(rss_shmem_bytes AS DOUBLE PRECISION), second) END AS shmem_growth,
        CASE WHEN COUNT(*) >= 3 AND MIN(rss_bytes) < MAX(rss_bytes)
            THEN REGR_R2(CAST(rss_bytes AS DOUBLE PRECISION), second) END AS r2,
        COUNT(*) AS samples,
        MAX(second) AS span_s
    FROM placed
    GROUP BY pid, start
)
SELECT
    t.pid,
    p.comm,
    t.first_rss,
    t.last_rss,
    t.peak,
    t.growth,
    t.anon_growth,
    t.shmem_growth,
    t.r2,
    t.samples,
    t.span_s,
    p.command,
    t.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.pid = t.pid AND p.start IS NOT DISTINCT FROM t.start
ORDER BY t.growth DESC NULLS LAST, t.last_rss DESC, t.pid, t.start;
