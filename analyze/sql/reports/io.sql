-- Reads and writes of each process: calls, bytes, errors and time.
--
-- On files, pipes, sockets, message queues and everything else with a descriptor, by the bytes that calls returned.
-- sendfile, copy_file_range, splice, tee, vmsplice and process_vm_readv count as copies, neither reads nor writes.
-- Calls do not show I/O by mapped memory, io_uring, libaio and 32-bit programs. The storage columns come from the
-- kernel's accounting and cover all of these: if they are larger than the others, the process did I/O that calls do
-- not show. Time is wall time, waiting included.
--
-- needs: main.process_io, main.syscall_stats, unfiltered.io_way, unfiltered.process_key, unfiltered.processes
CREATE VIEW report.io(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- Bytes read.
    read_bytes,
    -- Calls that read.
    reads,
    -- Calls among them that failed.
    read_errors,
    -- Sum of their latencies [s].
    read_s,
    -- Bytes written.
    written_bytes,
    -- Calls that write.
    writes,
    -- Calls among them that failed.
    write_errors,
    -- Sum of their latencies [s].
    write_s,
    -- Bytes copied inside the kernel between descriptors, or between a descriptor and memory.
    copied_bytes,
    -- Calls that copy.
    copies,
    -- Calls among them that failed.
    copy_errors,
    -- Sum of their latencies [s].
    copy_s,
    -- Bytes fetched from storage for it, including read-ahead and excluding what was in the page cache. NULL if the
    -- kernel does not account it, or an older recorder did not read it.
    storage_read_bytes,
    -- Bytes it caused to be written to storage, in whole pages, counted when a page of the cache becomes dirty or is
    -- written directly; NULL as for `storage_read_bytes`.
    storage_written_bytes,
    -- Of these, its own or others', bytes never written because it truncated or removed the file; NULL as for
    -- `storage_read_bytes`.
    cancelled_bytes,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
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
),
accounted AS (
    SELECT
        pid, start,
        SUM(storage_read_bytes) AS read_bytes,
        SUM(storage_write_bytes) AS written_bytes,
        SUM(cancelled_write_bytes) AS cancelled_bytes
    FROM main.process_io
    GROUP BY pid, start
    HAVING SUM(storage_read_bytes) > 0 OR SUM(storage_write_bytes) > 0 OR SUM(cancelled_write_bytes) > 0
),
looked AS (SELECT CASE WHEN COUNT(*) > 0 THEN 0 END AS nothing FROM main.process_io WHERE storage_read_bytes IS NOT NULL)
SELECT
    COALESCE(t.pid, a.pid),
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
    TRY_CAST(COALESCE(a.read_bytes, l.nothing) AS BIGINT),
    TRY_CAST(COALESCE(a.written_bytes, l.nothing) AS BIGINT),
    TRY_CAST(COALESCE(a.cancelled_bytes, l.nothing) AS BIGINT),
    COALESCE(t.start, a.start)
FROM totals AS t
FULL OUTER JOIN accounted AS a ON unfiltered.process_key(a.pid, a.start) = unfiltered.process_key(t.pid, t.start)
CROSS JOIN looked AS l
LEFT JOIN unfiltered.processes AS p
    ON p.process_key = unfiltered.process_key(COALESCE(t.pid, a.pid), COALESCE(t.start, a.start))
ORDER BY GREATEST(t.bytes, a.read_bytes + a.written_bytes) DESC, t.reads + t.writes + t.copies DESC, COALESCE(t.pid, a.pid), COALESCE(t.start, a.start);
