-- Memory that the kernel allocated and freed, by the process that ran: gross figures, of `record --with kernel_memory`.
--
-- Not what a process holds: what one allocates another may free, or an interrupt after it, and what is freed in bulk by
-- RCU (kfree_rcu) the kernel does not trace. What grows with the time is worth a look, not the difference of a moment.
--
-- needs: main.kernel_memory, unfiltered.processes
CREATE VIEW report.kernel_memory(
    -- Process id (thread group id); NULL: in interrupts, whoever ran.
    pid,
    -- Command name, last known; of interrupts '(interrupts)'.
    comm,
    -- Objects that kmalloc and the slab caches handed out.
    allocations,
    -- Size of these objects [MiB].
    allocated_mib,
    -- Objects that were given back.
    frees,
    -- Size of those of them whose size is known [MiB].
    freed_mib,
    -- Those of them whose size is not known: allocated before the recording began.
    frees_of_unknown_size,
    -- Allocated minus freed objects' size, as far as sizes are known [MiB].
    net_mib,
    -- Whole pages that were allocated: user memory, page cache, page tables, slabs [MiB].
    pages_allocated_mib,
    -- Whole pages that were freed [MiB].
    pages_freed_mib,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start
) AS
SELECT
    m.pid,
    CASE WHEN m.pid IS NULL THEN '(interrupts)' WHEN m.pid = 0 THEN '(other)' ELSE ANY_VALUE(p.comm) END,
    SUM(m.allocations),
    SUM(m.allocated_bytes) / 1048576.0,
    SUM(m.frees),
    SUM(m.freed_bytes) / 1048576.0,
    SUM(m.frees_of_unknown_size),
    (SUM(CAST(m.allocated_bytes AS DOUBLE PRECISION)) - SUM(m.freed_bytes)) / 1048576.0,
    SUM(m.pages_allocated_bytes) / 1048576.0,
    SUM(m.pages_freed_bytes) / 1048576.0,
    m.start
FROM main.kernel_memory AS m
LEFT JOIN unfiltered.processes AS p ON p.pid = m.pid AND p.start IS NOT DISTINCT FROM m.start
GROUP BY m.pid, m.start
ORDER BY SUM(m.allocated_bytes) DESC, m.pid, m.start;
