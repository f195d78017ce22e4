-- Reads and writes of each process: calls, bytes, errors and time.
--
-- Of files, pipes, sockets, message queues and all else that has a descriptor, by what the calls say that they moved. A
-- sendfile, copy_file_range, splice, tee, vmsplice or process_vm_readv is a copy, and neither a read nor a write. Not in
-- it: memory that is mapped, io_uring, libaio and 32-bit calls. Time is wall time, waiting included.
CREATE VIEW report.io(
    -- Process id (thread group id).
    pid,
    -- Command name, last known.
    comm,
    -- Bytes that came in.
    read_bytes,
    -- Calls that read.
    reads,
    -- Calls among them that failed.
    read_errors,
    -- Sum of their latencies [s].
    read_s,
    -- Bytes that went out.
    written_bytes,
    -- Calls that write.
    writes,
    -- Calls among them that failed.
    write_errors,
    -- Sum of their latencies [s].
    write_s,
    -- Bytes that went from one descriptor to another, or to or from memory, in the kernel.
    copied_bytes,
    -- Calls that copy.
    copies,
    -- Calls among them that failed.
    copy_errors,
    -- Sum of their latencies [s].
    copy_s,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start
) AS
WITH moves AS (
    SELECT
        pid, start, bytes, calls, errors, total_ns,
        unfiltered.io_way(syscall) AS way
    FROM main.syscall_stats
    WHERE bytes IS NOT NULL
),
totals AS (
    SELECT
        pid, start,
        SUM(bytes) AS bytes,
        SUM(CASE WHEN way = 'read' THEN bytes ELSE 0 END) AS read_bytes,
        SUM(CASE WHEN way = 'read' THEN calls ELSE 0 END) AS reads,
        SUM(CASE WHEN way = 'read' THEN errors ELSE 0 END) AS read_errors,
        SUM(CASE WHEN way = 'read' THEN total_ns ELSE 0 END) AS read_ns,
        SUM(CASE WHEN way = 'write' THEN bytes ELSE 0 END) AS written_bytes,
        SUM(CASE WHEN way = 'write' THEN calls ELSE 0 END) AS writes,
        SUM(CASE WHEN way = 'write' THEN errors ELSE 0 END) AS write_errors,
        SUM(CASE WHEN way = 'write' THEN total_ns ELSE 0 END) AS write_ns,
        SUM(CASE WHEN way = 'copy' THEN bytes ELSE 0 END) AS copied_bytes,
        SUM(CASE WHEN way = 'copy' THEN calls ELSE 0 END) AS copies,
        SUM(CASE WHEN way = 'copy' THEN errors ELSE 0 END) AS copy_errors,
        SUM(CASE WHEN way = 'copy' THEN total_ns ELSE 0 END) AS copy_ns
    FROM moves
    GROUP BY pid, start
)
SELECT
    t.pid,
    p.comm,
    TRY_CAST(t.read_bytes AS BIGINT),
    TRY_CAST(t.reads AS BIGINT),
    TRY_CAST(t.read_errors AS BIGINT),
    t.read_ns / 1e9,
    TRY_CAST(t.written_bytes AS BIGINT),
    TRY_CAST(t.writes AS BIGINT),
    TRY_CAST(t.write_errors AS BIGINT),
    t.write_ns / 1e9,
    TRY_CAST(t.copied_bytes AS BIGINT),
    TRY_CAST(t.copies AS BIGINT),
    TRY_CAST(t.copy_errors AS BIGINT),
    t.copy_ns / 1e9,
    t.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.pid = t.pid AND p.start IS NOT DISTINCT FROM t.start
ORDER BY t.bytes DESC, t.reads + t.writes + t.copies DESC, t.pid, t.start;
