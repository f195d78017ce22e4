-- Private memory of each process, and its share of shared memory (PSS).
--
-- As last read. The sum of PSS over all processes counts each page once; private memory is freed when the process
-- ends. Reading it is expensive for the kernel, so not every process was read: `unread` says why. A process without
-- any memory left counts as ended.
--
-- needs: main.pss, unfiltered.processes
CREATE VIEW report.pss(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- Proportional set size: each resident page divided by the number of processes that map it [MiB].
    pss_mib,
    -- Of that, anonymous memory [MiB].
    pss_anon_mib,
    -- Of that, pages of files [MiB].
    pss_file_mib,
    -- Of that, shared memory [MiB].
    pss_shmem_mib,
    -- Resident pages that no other process maps [MiB]; some tools call it USS.
    private_mib,
    -- Of that, dirty pages [MiB].
    private_dirty_mib,
    -- Resident pages that other processes map too [MiB].
    shared_mib,
    -- Anonymous memory that counts for other processes: their share of pages not written since a fork [MiB].
    shared_anon_mib,
    -- Its share of memory in swap [MiB].
    swap_pss_mib,
    -- Number of readings in the window.
    readings,
    -- Longest reading, during which changes to its mappings may have waited [ms].
    longest_ms,
    -- When it was last read.
    read,
    -- Why it was not read; NULL if it was.
    unread,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
placed AS (
    SELECT
        *,
        ROW_NUMBER() OVER (PARTITION BY process_key ORDER BY unread IS NOT NULL, ts DESC) AS n
    FROM main.pss
),
totals AS (
    SELECT process_key, COUNT(CASE WHEN unread IS NULL THEN 1 END) AS readings, MAX(reading_ns) AS longest_ns
    FROM main.pss
    GROUP BY process_key
)
SELECT
    t.process_key.pid,
    p.comm,
    l.pss_bytes / 1048576.0 AS pss_mib,
    l.pss_anon_bytes / 1048576.0,
    l.pss_file_bytes / 1048576.0,
    l.pss_shmem_bytes / 1048576.0,
    -- TRY: an impossible sum is damage, and must not break the whole answer.
    TRY(l.private_dirty_bytes + l.private_clean_bytes) / 1048576.0,
    l.private_dirty_bytes / 1048576.0,
    TRY(l.shared_dirty_bytes + l.shared_clean_bytes) / 1048576.0,
    -- Both are rounded to kB. GREATEST alone ignores NULL.
    CASE WHEN l.anonymous_bytes IS NOT NULL AND l.pss_anon_bytes IS NOT NULL
        THEN GREATEST(0, (CAST(l.anonymous_bytes AS DOUBLE PRECISION) - l.pss_anon_bytes) / 1048576.0) END,
    l.swap_pss_bytes / 1048576.0,
    t.readings,
    t.longest_ns / 1e6,
    CASE WHEN l.unread IS NULL THEN l.ts END,
    l.unread,
    t.process_key.start
FROM totals AS t
JOIN placed AS l ON l.n = 1 AND l.process_key = t.process_key
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
ORDER BY pss_mib DESC NULLS LAST, t.process_key.pid, t.process_key.start;
