-- Peers: datagrams that each process exchanged with each peer.
--
-- UDP, other datagrams over IP, and datagrams of unix sockets, on connected and unconnected sockets: one row per
-- process and peer, however many sockets it used. For streams such as TCP see `connections`. A datagram counts when
-- the call that sent or received it returned; whether it arrived is unknown. Not seen: before Linux 6.3 datagrams
-- moved by read and write on a connected socket, and those of 32-bit programs and io_uring.
--
-- needs: main.peers, unfiltered.processes
CREATE VIEW report.peers(
    -- Process id (thread group id).
    pid,
    -- Last known command name; '(other)' for all processes that did not fit into a full map, without their peers.
    comm,
    -- Family, such as AF_INET.
    family,
    -- Type: SOCK_DGRAM, or SOCK_RAW, whose datagrams include the protocol header.
    socket_type,
    -- Protocol in the packets' headers: 'udp', 'icmp', 'icmpv6', 'udplite', or its number; NULL for unix sockets.
    protocol,
    -- Address of the peer; an abstract unix name begins with @. NULL if it has none, or the process did not ask for
    -- it.
    remote_address,
    -- Port of the peer.
    remote_port,
    -- Datagrams sent to it.
    sent,
    -- Bytes in them.
    sent_bytes,
    -- Datagrams received from it.
    received,
    -- Bytes received, without the rest of truncated datagrams.
    received_bytes,
    -- Send and receive calls that failed, such as with ECONNREFUSED; not those to be retried (EAGAIN, EINTR).
    errors,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH totals AS (
    SELECT process_key, family, socket_type, protocol, remote_address, remote_address_bytes, remote_port,
        SUM(datagrams_sent) AS sent,
        SUM(datagram_bytes_sent) AS sent_bytes,
        SUM(datagrams_received) AS received,
        SUM(datagram_bytes_received) AS received_bytes,
        SUM(datagram_errors) AS errors
    FROM main.peers
    GROUP BY process_key, family, socket_type, protocol, remote_address, remote_address_bytes, remote_port
)
SELECT
    t.process_key.pid,
    p.comm,
    t.family,
    t.socket_type,
    CASE
        WHEN t.family = 'AF_UNIX' THEN NULL
        WHEN t.protocol = 17 THEN 'udp'
        WHEN t.protocol = 1 THEN 'icmp'
        WHEN t.protocol = 58 THEN 'icmpv6'
        WHEN t.protocol = 136 THEN 'udplite'
        ELSE CAST(t.protocol AS VARCHAR)
    END,
    t.remote_address,
    t.remote_port,
    TRY_CAST(t.sent AS BIGINT),
    TRY_CAST(t.sent_bytes AS BIGINT),
    TRY_CAST(t.received AS BIGINT),
    TRY_CAST(t.received_bytes AS BIGINT),
    TRY_CAST(t.errors AS BIGINT),
    t.process_key.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
ORDER BY t.sent + t.received DESC NULLS LAST, t.errors DESC NULLS LAST, t.process_key.pid, t.process_key.start,
    t.family NULLS LAST, t.socket_type NULLS LAST, t.protocol NULLS LAST, t.remote_address NULLS LAST, t.remote_address_bytes NULLS LAST,
    t.remote_port NULLS LAST;
