-- Resident memory of each process at each snapshot.
--
-- Looked at in each snapshot in which the process ran; without a row it has what it had in the row before, as long as it
-- lives. What processes share counts for each of them.
--
-- needs: main.memory, unfiltered.processes, unfiltered.rss
CREATE VIEW report.memory_timeline(
    -- When the snapshot was taken.
    ts,
    -- Process id (thread group id).
    pid,
    -- Command name, last known.
    comm,
    -- Resident memory: the sum of the three kinds [bytes].
    rss_bytes,
    -- Of that, anonymous memory: heap, stacks, what was written to private mappings [bytes].
    rss_anon_bytes,
    -- Of that, pages of files that it has mapped [bytes].
    rss_file_bytes,
    -- Of that, shared memory [bytes].
    rss_shmem_bytes,
    -- Its memory that was in swap space [bytes].
    swap_bytes,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start
) AS
SELECT
    m.ts,
    m.pid,
    p.comm,
    -- TRY: a sum that no machine can have is damage, and must not cost the whole answer.
    unfiltered.rss(m.rss_anon_bytes, m.rss_file_bytes, m.rss_shmem_bytes) AS rss_bytes,
    m.rss_anon_bytes,
    m.rss_file_bytes,
    m.rss_shmem_bytes,
    m.swap_bytes,
    m.start
FROM main.memory AS m
LEFT JOIN unfiltered.processes AS p ON p.pid = m.pid AND p.start IS NOT DISTINCT FROM m.start
ORDER BY m.ts, rss_bytes DESC NULLS LAST, m.pid, m.start, m.rss_anon_bytes, m.rss_file_bytes, m.swap_bytes;
