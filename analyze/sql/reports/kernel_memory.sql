-- Kernel memory allocated and freed while each process ran; needs `record --with kernel_memory`.
--
-- This is not what a process holds: what one process allocates, another or an interrupt may free, and the kernel
-- does not trace bulk frees by RCU (kfree_rcu). Look at what grows over time, not at the difference at one moment.
--
-- needs: main.kernel_memory, unfiltered.processes
CREATE VIEW report.kernel_memory(
    -- Process id (thread group id); NULL for interrupts, whichever process was running.
    pid,
    -- Last known command name; '(interrupts)' for interrupts.
    comm,
    -- Objects allocated by kmalloc and from slab caches.
    allocations,
    -- Size of these objects [MiB].
    allocated_mib,
    -- Objects freed.
    frees,
    -- Size of the freed objects whose size is known [MiB].
    freed_mib,
    -- Freed objects of unknown size: allocated before the recording began.
    frees_of_unknown_size,
    -- Allocated minus freed objects' size, as far as sizes are known [MiB].
    net_mib,
    -- Whole pages allocated: user memory, page cache, page tables, slabs [MiB].
    pages_allocated_mib,
    -- Whole pages freed [MiB].
    pages_freed_mib,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
SELECT
    m.process_key.pid,
    CASE
        WHEN m.process_key.pid IS NULL THEN '(interrupts)'
        WHEN m.process_key.pid = 0 THEN '(other)'
        ELSE ANY_VALUE(p.comm)
    END,
    SUM(m.allocations),
    SUM(m.allocated_bytes) / 1048576.0,
    SUM(m.frees),
    SUM(m.freed_bytes) / 1048576.0,
    SUM(m.frees_of_unknown_size),
    (SUM(CAST(m.allocated_bytes AS DOUBLE PRECISION)) - SUM(m.freed_bytes)) / 1048576.0,
    SUM(m.pages_allocated_bytes) / 1048576.0,
    SUM(m.pages_freed_bytes) / 1048576.0,
    m.process_key.start
FROM main.kernel_memory AS m
LEFT JOIN unfiltered.processes AS p ON p.process_key = m.process_key
GROUP BY m.process_key
ORDER BY SUM(m.allocated_bytes) DESC, m.process_key.pid, m.process_key.start;
