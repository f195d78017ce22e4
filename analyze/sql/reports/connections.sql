-- Connections: who connected to whom, who was accepted, when, and whether it succeeded.
--
-- One row per connect and accept that returned, in order, and per send with MSG_FASTOPEN, which also connects. A
-- non-blocking connect ends with EINPROGRESS, or at once with TCP_FASTOPEN_CONNECT; its outcome is in `tcp_connections`.
-- Connecting a datagram socket only sets its peer; removing the peer (AF_UNSPEC) is left out. For datagrams,
-- connected or not, see the report `peers`.
--
-- needs: main.sockets, unfiltered.connects, unfiltered.dissolves, unfiltered.file_name
CREATE VIEW report.connections(
    -- When the call returned.
    ts,
    -- Process id (thread group id).
    pid,
    -- Command name.
    comm,
    -- 'out': it connected; 'in': it accepted.
    direction,
    -- Family, such as AF_INET.
    family,
    -- Type, such as SOCK_STREAM.
    socket_type,
    -- Local address; an abstract unix name begins with @.
    local_address,
    -- Local port.
    local_port,
    -- Remote address in the kernel; for a failed attempt, the address passed.
    remote_address,
    -- Remote port.
    remote_port,
    -- Name of the error; NULL on success.
    error,
    -- From the call's entry to its return, waiting included [us].
    latency_us,
    -- For a unix socket with a path: the absolute path of the socket connected to or accepting. Starts with the mount
    -- namespace if it is not the recorder's.
    unix_path,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
SELECT
    ts,
    pid,
    comm,
    CASE WHEN unfiltered.connects(syscall) THEN 'out' ELSE 'in' END,
    family,
    socket_type,
    local_address,
    local_port,
    remote_address,
    remote_port,
    error,
    latency_ns / 1e3,
    unfiltered.file_name(mount_namespace, unix_path),
    start
FROM main.sockets
WHERE (unfiltered.connects(syscall) AND NOT unfiltered.dissolves(syscall, family, error, remote_address))
    OR syscall IN ('accept', 'accept4')
ORDER BY ts, pid, start, tid, syscall, result, local_address NULLS LAST, local_port NULLS LAST,
    remote_address NULLS LAST, remote_port NULLS LAST, latency_ns, fd, family, socket_type, error;
