-- Connections: who connected to whom, and who was accepted, when and with what success.
--
-- One row for each connect and accept that returned, in order, and for each send with MSG_FASTOPEN, which connects,
-- too. A connect that is not waited for ends with EINPROGRESS, or with TCP_FASTOPEN_CONNECT at once, and what becomes
-- of it is not seen. Datagram sockets connect too: that only sets an address. One that takes its peer away again
-- (AF_UNSPEC) is none. With whom they exchange datagrams, connected or not, is in the report `peers`.
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
    -- Remote address, as the kernel has it; of an attempt that failed as it was passed.
    remote_address,
    -- Remote port.
    remote_port,
    -- Name of the error; NULL: a success.
    error,
    -- From the call's entry to its return, waiting included [us].
    latency_us,
    -- Of a unix socket with a path: that of the one connected to or accepted by, from the root. In another mount
    -- namespace than the recorder's it begins with that.
    unix_path,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
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
