-- Resident memory, threads and descriptors of each process per snapshot.
--
-- Read at each snapshot at which the process had run; without a row it keeps the value of the previous row, as long
-- as it lives. Shared memory counts for each process that shares it.
--
-- needs: main.memory, unfiltered.processes, unfiltered.rss
CREATE VIEW report.memory_timeline(
    -- When the snapshot was taken.
    ts,
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- Resident memory: the sum of the three kinds [bytes].
    rss_bytes,
    -- Of that, anonymous memory: heap, stacks, written pages of private mappings [bytes].
    rss_anon_bytes,
    -- Of that, pages of mapped files [bytes].
    rss_file_bytes,
    -- Of that, shared memory [bytes].
    rss_shmem_bytes,
    -- Memory in swap [bytes].
    swap_bytes,
    -- Threads.
    threads,
    -- Open descriptors; NULL if unknown.
    descriptors,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
SELECT
    m.ts,
    m.pid,
    p.comm,
    -- TRY: an impossible sum is damage, and must not break the whole answer.
    unfiltered.rss(m.rss_anon_bytes, m.rss_file_bytes, m.rss_shmem_bytes) AS rss_bytes,
    m.rss_anon_bytes,
    m.rss_file_bytes,
    m.rss_shmem_bytes,
    m.swap_bytes,
    m.threads,
    m.descriptors,
    m.start
FROM main.memory AS m
LEFT JOIN unfiltered.processes AS p ON p.process_key = m.process_key
ORDER BY m.ts, rss_bytes DESC NULLS LAST, m.pid, m.start, m.rss_anon_bytes, m.rss_file_bytes, m.swap_bytes;
