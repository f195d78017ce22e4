-- Resident memory of each process: when last seen, and its peak.
--
-- Read at each snapshot at which the process had run; in between it keeps its last value. Shared memory counts for
-- each process that shares it, so the sum over processes exceeds what the machine uses. `pss_mib` adds up correctly,
-- but was not read for every process (report `pss`). A process that lived between two snapshots has only a peak.
--
-- needs: main.exits, main.memory, report.pss, unfiltered.process_key, unfiltered.processes, unfiltered.rss
CREATE VIEW report.memory(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- Peak resident memory since its last exec, including before the recording [MiB]; NULL if unknown.
    peak_rss_mib,
    -- Resident memory when last seen in the window [MiB].
    rss_mib,
    -- Of that, anonymous memory: heap, stacks, written pages of private mappings, including those inherited by a fork [MiB].
    rss_anon_mib,
    -- Of that, pages of mapped files [MiB].
    rss_file_mib,
    -- Of that, shared memory [MiB].
    rss_shmem_mib,
    -- Proportional set size (PSS) when last read [MiB]; NULL if it was not read.
    pss_mib,
    -- Of that, private memory, which its end would free [MiB].
    private_mib,
    -- Memory in swap at that time [MiB].
    swap_mib,
    -- Mapped huge pages of hugetlbfs at that time, which are not part of resident memory [MiB].
    hugetlb_mib,
    -- Growth of its resident memory since it was first seen in the window [MiB].
    growth_mib,
    -- When it was last seen.
    seen,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
samples AS (
    SELECT
        *,
        unfiltered.rss(rss_anon_bytes, rss_file_bytes, rss_shmem_bytes) AS rss_bytes,
        ROW_NUMBER() OVER (PARTITION BY process_key ORDER BY ts) AS n,
        ROW_NUMBER() OVER (PARTITION BY process_key ORDER BY ts DESC) AS n_from_end
    FROM main.memory
),
facts AS (
    SELECT process_key, ts, peak_rss_bytes, n, n_from_end, rss_bytes, rss_anon_bytes, rss_file_bytes, rss_shmem_bytes,
        swap_bytes, hugetlb_bytes
    FROM samples
    UNION ALL
    SELECT process_key, NULL, peak_rss_bytes, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM main.exits
    WHERE peak_rss_bytes IS NOT NULL
),
totals AS (
    SELECT
        process_key,
        MAX(peak_rss_bytes) AS peak,
        MAX(CASE WHEN n_from_end = 1 THEN rss_bytes END) AS rss,
        MAX(CASE WHEN n_from_end = 1 THEN rss_anon_bytes END) AS anon,
        MAX(CASE WHEN n_from_end = 1 THEN rss_file_bytes END) AS file,
        MAX(CASE WHEN n_from_end = 1 THEN rss_shmem_bytes END) AS shmem,
        MAX(CASE WHEN n_from_end = 1 THEN swap_bytes END) AS swap,
        MAX(CASE WHEN n_from_end = 1 THEN hugetlb_bytes END) AS hugetlb,
        MAX(CASE WHEN n = 1 THEN rss_bytes END) AS first_rss,
        MAX(ts) AS seen
    FROM facts
    GROUP BY process_key
)
SELECT
    t.process_key.pid,
    p.comm,
    t.peak / 1048576.0,
    t.rss / 1048576.0,
    t.anon / 1048576.0,
    t.file / 1048576.0,
    t.shmem / 1048576.0,
    s.pss_mib,
    s.private_mib,
    t.swap / 1048576.0,
    t.hugetlb / 1048576.0,
    (CAST(t.rss AS DOUBLE PRECISION) - t.first_rss) / 1048576.0,
    t.seen,
    t.process_key.start
FROM totals AS t
LEFT JOIN report.pss AS s ON unfiltered.process_key(s.pid, s.start) = t.process_key
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
ORDER BY t.peak DESC NULLS LAST, t.rss DESC NULLS LAST, t.process_key.pid, t.process_key.start;
