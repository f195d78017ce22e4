-- Resident memory of each process: what it had when last seen, and the most that it ever had.
--
-- Looked at in each snapshot in which the process ran; between two of them it has what it had. What processes share
-- counts for each of them, so the sum over processes is more than the machine uses; that of `pss_mib` is not, but not
-- every process was read for that (report `pss`). A process that lived between two snapshots has its peak only.
--
-- needs: main.exits, main.memory, report.pss, unfiltered.processes, unfiltered.rss
CREATE VIEW report.memory(
    -- Process id (thread group id).
    pid,
    -- Command name, last known.
    comm,
    -- The most resident memory that it has had since its last exec, also before the recording [MiB]; NULL if not known.
    peak_rss_mib,
    -- Resident memory when last seen in the window [MiB].
    rss_mib,
    -- Of that, anonymous memory: heap, stacks, what was written to private mappings, by its parent before a fork, too [MiB].
    rss_anon_mib,
    -- Of that, pages of files that it has mapped [MiB].
    rss_file_mib,
    -- Of that, shared memory [MiB].
    rss_shmem_mib,
    -- Its share of resident memory when it was last read for that: of each page its part [MiB]; NULL: it was not read.
    pss_mib,
    -- Of that, what no other process maps, and its end would give back [MiB].
    private_mib,
    -- Its memory that was in swap space then [MiB].
    swap_mib,
    -- Huge pages of hugetlbfs that it had mapped then, which are no part of its resident memory [MiB].
    hugetlb_mib,
    -- By how much its resident memory had grown since it was first seen in the window [MiB].
    growth_mib,
    -- When it was last seen.
    seen,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start
) AS
WITH
samples AS (
    SELECT
        *,
        unfiltered.rss(rss_anon_bytes, rss_file_bytes, rss_shmem_bytes) AS rss_bytes,
        ROW_NUMBER() OVER (PARTITION BY pid, start ORDER BY ts) AS n,
        ROW_NUMBER() OVER (PARTITION BY pid, start ORDER BY ts DESC) AS n_from_end
    FROM main.memory
),
facts AS (
    SELECT pid, start, ts, peak_rss_bytes, n, n_from_end, rss_bytes, rss_anon_bytes, rss_file_bytes, rss_shmem_bytes,
        swap_bytes, hugetlb_bytes
    FROM samples
    UNION ALL
    SELECT pid, start, NULL, peak_rss_bytes, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM main.exits
    WHERE peak_rss_bytes IS NOT NULL
),
totals AS (
    SELECT
        pid, start,
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
    GROUP BY pid, start
)
SELECT
    t.pid,
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
    t.start
FROM totals AS t
LEFT JOIN report.pss AS s ON s.pid = t.pid AND s.start IS NOT DISTINCT FROM t.start
LEFT JOIN unfiltered.processes AS p ON p.pid = t.pid AND p.start IS NOT DISTINCT FROM t.start
ORDER BY t.peak DESC NULLS LAST, t.rss DESC NULLS LAST, t.pid, t.start;
