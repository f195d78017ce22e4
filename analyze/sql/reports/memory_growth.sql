-- Growth of each process's resident memory: a linear fit, in bytes per minute.
--
-- Samples are the snapshots at which the process had run, since its last exec in the window. The fit is by least
-- squares and needs at least three samples. `r2` tells steady growth (near 1) from steps, or from memory that is
-- freed again (near 0).
--
-- needs: main.execs, main.memory, unfiltered.processes, unfiltered.rss
CREATE VIEW report.memory_growth(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- Resident memory in the first sample [bytes].
    first_rss_bytes,
    -- Resident memory in the last sample [bytes].
    last_rss_bytes,
    -- Peak resident memory since its last exec, including between samples and before the recording [bytes]; NULL if
    -- unknown.
    peak_rss_bytes,
    -- Slope of the fit [bytes a minute]; negative if it shrank, NULL with fewer than three samples.
    growth_bytes_per_min,
    -- Of that, anonymous memory, which is private except for what is shared since a fork [bytes a minute].
    anon_bytes_per_min,
    -- Of that, shared memory, which it may just be touching for the first time [bytes a minute].
    shmem_bytes_per_min,
    -- Share of the variance that the fit explains, 0 to 1; NULL with fewer than three samples, or if the memory never
    -- changed.
    r2,
    -- Samples in the window.
    samples,
    -- From the first sample to the last [s].
    span_s,
    -- Arguments of its last program, or its path, or its name in brackets; ends in ' ...' if cut.
    command,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
-- An exec replaces the process's memory.
execs AS (
    SELECT process_key, MAX(ts) AS ts
    FROM main.execs
    GROUP BY process_key
),
samples AS (
    SELECT
        m.process_key,
        EPOCH_NS(m.ts) AS ns,
        m.peak_rss_bytes,
        m.rss_anon_bytes,
        m.rss_shmem_bytes,
        -- TRY: an impossible sum is damage, and must not break the whole answer.
        unfiltered.rss(m.rss_anon_bytes, m.rss_file_bytes, m.rss_shmem_bytes) AS rss_bytes
    FROM main.memory AS m
    LEFT JOIN execs AS e ON e.process_key = m.process_key
    WHERE e.ts IS NULL OR m.ts >= e.ts
),
-- Time since each process's first sample: small numbers keep the sums below precise.
placed AS (
    SELECT
        *,
        (ns - MIN(ns) OVER one) / 1e9 AS second,
        ROW_NUMBER() OVER (one ORDER BY ns, rss_bytes) AS n,
        COUNT(*) OVER one AS samples
    FROM samples
    WHERE rss_bytes IS NOT NULL
    WINDOW one AS (PARTITION BY process_key)
),
totals AS (
    SELECT
        process_key,
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
    GROUP BY process_key
)
SELECT
    t.process_key.pid,
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
    t.process_key.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
ORDER BY t.growth DESC NULLS LAST, t.last_rss DESC, t.process_key.pid, t.process_key.start;
