-- Reads and writes by what they went to, in words. Needs `record --with objects`.
--
-- The process at the other end of a pipe or socket is found by its own reads and writes: one that writes what this one
-- reads, or has the unix socket at the other end, or the same two ports with both addresses on this host. If none was
-- seen, it is the one that a unix socket was connected to.
--
-- needs: main.object_io, unfiltered.named_object, unfiltered.object_io, unfiltered.object_names, unfiltered.object_titles,
--    unfiltered.processes, unfiltered.sockets
CREATE VIEW described_io(
    -- Process id (thread group id).
    pid,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start,
    -- What identifies the process: a struct of `pid` and `start`.
    process_key,
    -- 'read' or 'write'; 'sync': the call waits until what was written is on the disk.
    way,
    -- System call.
    syscall,
    -- What it is, as `object_type` of `object_io`.
    object_type,
    -- The file by its path; a pipe as 'pipe:[INODE]'; a socket by its remote address, by the path or name of a unix socket,
    -- or as 'socket:[INODE]'; an anonymous file by its type, such as '[eventfd]'. NULL: no descriptor, or a full map.
    object,
    -- Path of the file, as `object_path` of `object_names`, and if its mount namespace is not the recorder's, that in front;
    -- NULL if it has none.
    path,
    -- Inode of the file, pipe or socket, as `object` of `object_io`.
    inode,
    -- Device of the file, as `object_device` of `object_io`.
    device,
    -- Family of the socket.
    family,
    -- Type of the socket.
    socket_type,
    -- Local port of the socket; NULL if it has none.
    local_port,
    -- The processes at the other end, as 'NAME (PID)', three at most; NULL if unknown.
    peer,
    -- The process at the other end, if it is a single one; NULL if there are several, or none is known.
    peer_key,
    -- Calls that returned.
    calls,
    -- Calls among them that failed, EAGAIN included.
    errors,
    -- Bytes that they moved; NULL for 'sync'.
    bytes,
    -- Sum of latencies [ns].
    total_ns,
    -- Part of `total_ns` in which the threads slept [ns].
    blocked_ns,
    -- Largest latency [ns].
    max_ns,
    -- Snapshot that counted them.
    ts
) AS
WITH
ends AS (
    SELECT DISTINCT process_key, object_type, object, object_device, way, family, local_port,
        REPLACE(remote_address, '::ffff:', '') AS remote_address, remote_port
    FROM unfiltered.object_io
    WHERE object_type IN ('pipe', 'socket')
),
unix AS (
    SELECT DISTINCT object, peer_inode, peer_pid
    FROM unfiltered.object_names
    WHERE object_type = 'socket' AND family = 'AF_UNIX'
),
-- A socket has no inode before it is accepted: then only the one that accepted it tells who is at the other end.
both_ways AS (
    SELECT object, peer_inode FROM unix WHERE peer_inode IS NOT NULL
    UNION
    SELECT peer_inode, object FROM unix WHERE peer_inode IS NOT NULL
),
-- Addresses of this host, in any of its network namespaces.
here AS (
    SELECT REPLACE(local_address, '::ffff:', '') AS address FROM unfiltered.sockets WHERE local_port IS NOT NULL
    UNION
    SELECT remote_address FROM ends WHERE remote_address LIKE '127.%' OR remote_address = '::1'
),
known AS (
    SELECT pid, start, process_key, comm FROM unfiltered.processes
),
pairs AS (
    SELECT e.process_key, e.object_type, e.object, e.object_device, o.process_key AS other_key
    FROM ends AS e
    JOIN ends AS o ON o.object = e.object AND o.object_device IS NOT DISTINCT FROM e.object_device
    WHERE e.object_type = 'pipe' AND o.object_type = 'pipe' AND o.way <> e.way
    UNION
    SELECT e.process_key, e.object_type, e.object, NULL, o.process_key
    FROM ends AS e
    JOIN both_ways AS u ON u.object = e.object
    JOIN ends AS o ON o.object = u.peer_inode AND o.object_type = 'socket'
    WHERE e.object_type = 'socket'
    UNION
    SELECT e.process_key, e.object_type, e.object, NULL, o.process_key
    FROM ends AS e
    JOIN ends AS o ON o.local_port = e.remote_port AND o.remote_port = e.local_port
    WHERE o.remote_address = e.remote_address
        OR o.remote_address IN (SELECT address FROM here) AND e.remote_address IN (SELECT address FROM here)
),
-- Whom a unix socket was connected to; of several with that pid the last.
credited AS (
    SELECT e.process_key, e.object_type, e.object, NULL AS object_device, MAX_BY(k.process_key, k.start) AS other_key
    FROM ends AS e
    JOIN unix AS u ON u.object = e.object
    JOIN known AS k ON k.pid = u.peer_pid
    WHERE e.object_type = 'socket'
        AND (e.process_key, e.object) NOT IN (SELECT (process_key, object) FROM pairs WHERE object_type = 'socket')
    GROUP BY e.process_key, e.object_type, e.object
),
peers AS (
    SELECT p.process_key, p.object_type, p.object, COALESCE(p.object_device, 0) AS device_or_0,
        COUNT(*) AS others,
        LIST(FORMAT('{} ({})', COALESCE(k.comm, '?'), p.other_key.pid) ORDER BY p.other_key.pid, p.other_key.start) AS told,
        CASE WHEN COUNT(*) = 1 THEN ANY_VALUE(p.other_key) END AS other_key
    FROM (SELECT * FROM pairs UNION ALL SELECT * FROM credited) AS p
    LEFT JOIN known AS k ON k.process_key = p.other_key
    GROUP BY p.process_key, p.object_type, p.object, COALESCE(p.object_device, 0)
),
named AS (
    SELECT i.*, n.name, n.path
    FROM main.object_io AS i
    LEFT JOIN unfiltered.object_titles AS n
        ON n.object = i.object
        AND n.device_or_0 = COALESCE(i.object_device, 0)
        AND n.generation_or_0 = COALESCE(i.generation, 0)
        AND n.since_ns <= EPOCH_NS(i.ts)
        AND COALESCE(n.until_ns > EPOCH_NS(i.ts), TRUE)
)
SELECT
    n.pid,
    n.start,
    n.process_key,
    n.way,
    n.syscall,
    n.object_type,
    -- Of IP the count itself has the addresses.
    COALESCE(CASE WHEN n.local_port IS NULL THEN n.name END, unfiltered.named_object(n.object_type, n.object, n.object_device,
        NULL, n.family, NULL, n.local_port, n.remote_address, n.remote_port)),
    n.path,
    n.object,
    n.object_device,
    n.family,
    n.socket_type,
    n.local_port,
    ARRAY_TO_STRING(p.told[:3], ', ') || CASE WHEN p.others > 3 THEN FORMAT(' and {} more', p.others - 3) ELSE '' END,
    p.other_key,
    n.calls,
    n.errors,
    n.bytes,
    n.total_ns,
    n.blocked_ns,
    n.max_ns,
    n.ts
FROM named AS n
LEFT JOIN peers AS p
    ON p.process_key = n.process_key
    AND p.object_type = n.object_type
    AND p.object = n.object
    AND p.device_or_0 = COALESCE(n.object_device, 0);
