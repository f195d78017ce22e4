-- Sockets of each process, by family and type: how many were created, connected and accepted.
--
-- From the calls socket, connect, accept, bind and listen that returned, and sends that connect (MSG_FASTOPEN).
-- Sockets from socketpair, and sockets that were passed on or inherited, were not created by these calls. Calls of
-- 32-bit programs and io_uring operations are not seen.
--
-- needs: main.sockets, unfiltered.connects, unfiltered.dissolves
CREATE VIEW report.sockets(
    -- Process id (thread group id).
    pid,
    -- Alphabetically first of its command names.
    comm,
    -- Family, such as AF_INET; NULL if the descriptor was not a socket.
    family,
    -- Type, such as SOCK_STREAM.
    socket_type,
    -- Sockets created.
    made,
    -- Calls that connect, including failed and non-blocking ones.
    connects,
    -- Calls among them that failed, without those still in progress (EINPROGRESS).
    connect_errors,
    -- Connections accepted.
    accepted,
    -- Addresses bound to.
    bound,
    -- Sockets listened on.
    listening,
    -- All of these calls that failed.
    errors,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
SELECT
    process_key.pid,
    MIN(comm),
    family,
    socket_type,
    COUNT(CASE WHEN syscall = 'socket' AND result >= 0 THEN 1 END),
    COUNT(CASE WHEN unfiltered.connects(syscall) AND NOT unfiltered.dissolves(syscall, family, error, remote_address) THEN 1 END),
    COUNT(CASE WHEN unfiltered.connects(syscall) AND error <> 'EINPROGRESS' THEN 1 END),
    COUNT(CASE WHEN syscall IN ('accept', 'accept4') AND result >= 0 THEN 1 END),
    COUNT(CASE WHEN syscall = 'bind' AND result >= 0 THEN 1 END),
    COUNT(CASE WHEN syscall = 'listen' AND result >= 0 THEN 1 END),
    COUNT(CASE WHEN error <> 'EINPROGRESS' THEN 1 END),
    process_key.start
FROM main.sockets
GROUP BY process_key, family, socket_type
ORDER BY COUNT(*) DESC, process_key.pid, process_key.start, family NULLS LAST, socket_type NULLS LAST;
