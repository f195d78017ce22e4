-- Which pipes and sockets each process read and wrote, who was at the other end, and how long it took.
--
-- By the time that the calls took, which for reads is mostly that of waiting for the other end. A row is a connection, or all
-- datagrams that one socket exchanged with one peer. Datagrams are in the report `peers` without an option, and
-- connections that were opened in `connections`. Needs `record --with objects`.
--
-- needs: main.described_io, unfiltered.processes
CREATE VIEW report.connection_io(
    -- Process id (thread group id).
    pid,
    -- Last known command name; '(other)' for all processes that did not fit into a full map, without what they used.
    comm,
    -- Pipe as /proc/PID/fd shows it, or path of a FIFO; remote address and port of a socket, or 'port N' if it has no peer;
    -- path or name of a unix socket, or 'socket:[INODE]'.
    connection,
    -- 'pipe'; 'unix'; 'tcp' for streams over IP, 'udp' for datagrams and 'raw' for others; the family of others.
    kind,
    -- The processes at the other end, 'NAME (PID)'; NULL if unknown, or on another host.
    peer,
    -- Time in all calls [s].
    total_s,
    -- Part of it in which the threads slept: for data, or for room [s].
    blocked_s,
    -- Calls that received.
    receives,
    -- Bytes received.
    received_bytes,
    -- Time in them [s].
    receive_s,
    -- Calls that sent.
    sends,
    -- Bytes sent.
    sent_bytes,
    -- Time in them [s].
    send_s,
    -- Calls that failed, those to be retried (EAGAIN) included.
    errors,
    -- The longest call [ms].
    max_ms,
    -- Local port; NULL if there is none.
    local_port,
    -- Inode of the pipe or socket, as /proc/PID/fd shows it.
    inode,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
totals AS (
    SELECT process_key, object, inode, family, socket_type, local_port,
        ANY_VALUE(object_type) AS object_type,
        ANY_VALUE(peer) AS peer,
        SUM(total_ns) AS ns,
        SUM(blocked_ns) AS blocked_ns,
        SUM(calls) FILTER (way = 'read') AS receives,
        SUM(bytes) FILTER (way = 'read') AS received_bytes,
        SUM(total_ns) FILTER (way = 'read') AS receive_ns,
        SUM(calls) FILTER (way <> 'read') AS sends,
        SUM(bytes) FILTER (way <> 'read') AS sent_bytes,
        SUM(total_ns) FILTER (way <> 'read') AS send_ns,
        SUM(errors) AS errors,
        MAX(max_ns) AS max_ns
    FROM main.described_io
    WHERE object_type IN ('pipe', 'socket')
    GROUP BY process_key, object, inode, family, socket_type, local_port
)
SELECT
    t.process_key.pid,
    CASE WHEN t.process_key.pid = 0 THEN '(other)' ELSE p.comm END,
    t.object,
    CASE
        WHEN t.object_type = 'pipe' THEN 'pipe'
        WHEN t.family = 'AF_UNIX' THEN 'unix'
        WHEN t.family NOT IN ('AF_INET', 'AF_INET6') THEN LOWER(SUBSTR(t.family, 4))
        WHEN t.socket_type = 'SOCK_STREAM' THEN 'tcp'
        WHEN t.socket_type = 'SOCK_DGRAM' THEN 'udp'
        ELSE 'raw'
    END,
    t.peer,
    t.ns / 1e9,
    t.blocked_ns / 1e9,
    TRY_CAST(t.receives AS BIGINT),
    TRY_CAST(t.received_bytes AS BIGINT),
    t.receive_ns / 1e9,
    TRY_CAST(t.sends AS BIGINT),
    TRY_CAST(t.sent_bytes AS BIGINT),
    t.send_ns / 1e9,
    TRY_CAST(t.errors AS BIGINT),
    t.max_ns / 1e6,
    t.local_port,
    t.inode,
    t.process_key.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
ORDER BY t.ns DESC, t.process_key.pid, t.process_key.start, t.object NULLS LAST, t.inode NULLS LAST, t.family NULLS LAST,
    t.socket_type NULLS LAST, t.local_port NULLS LAST;
