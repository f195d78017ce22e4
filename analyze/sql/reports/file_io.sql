-- Which files each process read and wrote: calls, bytes and time.
--
-- By the time that the calls took, whatever they waited for; character devices such as terminals come last, as reading
-- them waits for somebody to type. Each name of a file is a row. In each interval between snapshots a file has the name of
-- its first call there: one that is renamed or removed while it is open has another from the next interval on. A call
-- that copies from one file to another counts for both, with all of its time. Not seen: access to mapped files, io_uring
-- and libaio (a row tells how often they were called) and 32-bit programs. Needs `record --with objects`.
--
-- needs: main.described_io, main.object_io, main.syscall_stats, unfiltered.processes
CREATE VIEW report.file_io(
    -- Process id (thread group id).
    pid,
    -- Last known command name; '(other)' for all processes that did not fit into a full map, without their files.
    comm,
    -- Absolute path; starts with the mount namespace if it is not the recorder's, and ends in ' (deleted)' if removed. A
    -- memfd has its name after 'memfd:'. If the path is unknown, the inode.
    file,
    -- Time in all calls [s].
    total_s,
    -- Part of it in which the threads slept, such as for a disk [s].
    blocked_s,
    -- Calls that read.
    reads,
    -- Bytes read.
    read_bytes,
    -- Time in them [s].
    read_s,
    -- Calls that wrote.
    writes,
    -- Bytes written.
    written_bytes,
    -- Time in them [s].
    write_s,
    -- Calls of fsync and the like.
    syncs,
    -- Time in them [s].
    sync_s,
    -- Calls that failed, those to be retried (EAGAIN) included.
    errors,
    -- The longest call [ms].
    max_ms,
    -- What it is: 'file', 'directory', 'block device' or 'device'; 'io_uring' or 'libaio' for operations that are not
    -- measured.
    object_type,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
totals AS (
    SELECT process_key, object_type, object,
        SUM(total_ns) AS ns,
        SUM(blocked_ns) AS blocked_ns,
        SUM(calls) FILTER (way = 'read') AS reads,
        SUM(bytes) FILTER (way = 'read') AS read_bytes,
        SUM(total_ns) FILTER (way = 'read') AS read_ns,
        SUM(calls) FILTER (way = 'write') AS writes,
        SUM(bytes) FILTER (way = 'write') AS written_bytes,
        SUM(total_ns) FILTER (way = 'write') AS write_ns,
        SUM(calls) FILTER (way = 'sync') AS syncs,
        SUM(total_ns) FILTER (way = 'sync') AS sync_ns,
        SUM(errors) AS errors,
        MAX(max_ns) AS max_ns
    FROM main.described_io
    WHERE object_type IN ('file', 'directory', 'block device', 'device')
    GROUP BY process_key, object_type, object
    UNION ALL
    SELECT process_key, CASE syscall WHEN 'io_submit' THEN 'libaio' ELSE 'io_uring' END,
        FORMAT('(not measured: {:,} calls of {})', CAST(SUM(calls) AS BIGINT), syscall),
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM main.syscall_stats
    WHERE syscall IN ('io_submit', 'io_uring_enter') AND EXISTS (FROM main.object_io)
    GROUP BY process_key, syscall
)
SELECT
    t.process_key.pid,
    CASE WHEN t.process_key.pid = 0 THEN '(other)' ELSE p.comm END,
    t.object,
    t.ns / 1e9,
    t.blocked_ns / 1e9,
    TRY_CAST(t.reads AS BIGINT),
    TRY_CAST(t.read_bytes AS BIGINT),
    t.read_ns / 1e9,
    TRY_CAST(t.writes AS BIGINT),
    TRY_CAST(t.written_bytes AS BIGINT),
    t.write_ns / 1e9,
    TRY_CAST(t.syncs AS BIGINT),
    t.sync_ns / 1e9,
    TRY_CAST(t.errors AS BIGINT),
    t.max_ns / 1e6,
    t.object_type,
    t.process_key.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
ORDER BY t.object_type = 'device', t.ns DESC NULLS LAST, t.process_key.pid, t.process_key.start, t.object NULLS LAST, t.object_type;
