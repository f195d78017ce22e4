-- TCP connections, one row for each.
--
-- Those that ended in the window, and those that were there at the end of the recording. Where a recording has several
-- files, what each of them says of a connection is put together.
--
-- needs: main.tcp_connections
CREATE VIEW main.tcp_lives(
    -- Process that connected or accepted: a struct of `pid` and `start`; see `tcp_connections`.
    process_key,
    -- Number of the connection; NULL if unknown.
    connection_id,
    -- When it ended; for one that goes on, the end of the recording.
    ts,
    -- 'out': it was opened from here; 'in': to here. NULL if unknown.
    direction,
    -- Family of the socket.
    family,
    -- Local address.
    local_address,
    -- Local port.
    local_port,
    -- Remote address.
    remote_address,
    -- Remote port.
    remote_port,
    -- Network namespace.
    network_namespace,
    -- When it was opened; NULL if before the recording, or unknown.
    opened,
    -- From its first SYN until it was established [ns].
    handshake_ns,
    -- Its state when the recording began; NULL: it was opened later.
    state_at_start,
    -- Its state at the end, or before it ended.
    tcp_state,
    -- How long it had been in that state, or at least since the recording began [ns].
    tcp_state_ns,
    -- How it ended; NULL: it goes on.
    ended,
    -- Error that ended it.
    error,
    -- Who closed first: 'local', 'remote' or 'both'.
    closed_by,
    -- Process that closed it here, or has a descriptor of it: a struct of `pid` and `start`; NULL if unknown.
    holder_key,
    -- Bytes that it sent in the recording, each counted once; NULL if unknown.
    sent_bytes,
    -- Bytes that it received in the recording.
    received_bytes,
    -- Bytes that it sent again.
    resent_bytes,
    -- Segments with data that it sent.
    sent_segments,
    -- Segments that it sent again.
    retransmits,
    -- Round-trip time, smoothed [us].
    rtt_us,
    -- The least round-trip time [us].
    min_rtt_us
) AS
WITH
numbered AS (
    SELECT *,
        COALESCE(CAST(connection_id AS HUGEINT), -ROW_NUMBER() OVER (ORDER BY ts, local_port, remote_port)) AS place,
        CASE WHEN holder_pid IS NOT NULL THEN struct_pack(pid := holder_pid, start := holder_start) END AS holder_key
    FROM main.tcp_connections
)
SELECT
    LAST(process_key ORDER BY ts),
    ANY_VALUE(connection_id),
    MAX(ts),
    LAST(direction ORDER BY ts),
    LAST(family ORDER BY ts),
    LAST(local_address ORDER BY ts),
    LAST(local_port ORDER BY ts),
    LAST(remote_address ORDER BY ts),
    LAST(remote_port ORDER BY ts),
    LAST(network_namespace ORDER BY ts),
    MIN(opened),
    MAX(handshake_ns),
    FIRST(state_at_start ORDER BY ts),
    LAST(tcp_state ORDER BY ts),
    LAST(tcp_state_ns ORDER BY ts),
    LAST(ended ORDER BY ts),
    LAST(error ORDER BY ts),
    LAST(closed_by ORDER BY ts),
    LAST(holder_key ORDER BY ts),
    TRY_CAST(SUM(sent_bytes) AS BIGINT),
    TRY_CAST(SUM(received_bytes) AS BIGINT),
    TRY_CAST(SUM(resent_bytes) AS BIGINT),
    TRY_CAST(SUM(sent_segments) AS BIGINT),
    TRY_CAST(SUM(retransmits) AS BIGINT),
    LAST(rtt_us ORDER BY ts),
    MIN(min_rtt_us)
FROM numbered
GROUP BY place;
