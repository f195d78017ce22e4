-- TCP connections: how each one lived and ended, what it moved, and what it had to send again.
--
-- In every network namespace: those that ended in the window, in order, and then those that were there at the end of the
-- recording. Counts are of the time in the recording. A connection belongs to the process that connected or accepted; see
-- the kind `connection` for others. The kernel keeps a connection that was closed here for a minute more (TIME_WAIT):
-- that is not part of its life here.
--
-- needs: main.tcp_lives, unfiltered.processes
CREATE VIEW report.tcp_connections(
    -- When it ended; NULL if it goes on.
    ended,
    -- Process id (thread group id); NULL if nobody has accepted it, or unknown.
    pid,
    -- Last known command name.
    comm,
    -- 'out': it was opened from here; 'in': to here. NULL if unknown.
    direction,
    -- Local address.
    local_address,
    -- Local port.
    local_port,
    -- Remote address.
    remote_address,
    -- Remote port.
    remote_port,
    -- From its opening to its end, or that of the recording [s]; NULL if it was opened before.
    lasted_s,
    -- From its first SYN until it was established [ms].
    handshake_ms,
    -- State when the recording began; NULL if it was opened later.
    state_at_start,
    -- State at the end of the recording, or the last one before its end.
    state,
    -- How it ended: see the column `ended` of `connection`; NULL if it goes on.
    how,
    -- Name of the error that ended it.
    error,
    -- Who closed first: 'local', 'remote' or 'both'.
    closed_by,
    -- Another process than `pid` that closed it here or, if it goes on, has it: with its name.
    holder,
    -- Bytes sent, each counted once.
    sent_bytes,
    -- Bytes received.
    received_bytes,
    -- Segments sent again, with SYNs.
    retransmits,
    -- Bytes sent again, as a share of all bytes sent [%].
    resent_pct,
    -- Round-trip time, smoothed, at the end [ms].
    rtt_ms,
    -- Network namespace: the inode of /proc/PID/ns/net.
    network_namespace,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
SELECT
    CASE WHEN c.ended IS NOT NULL THEN c.ts END,
    c.process_key.pid,
    p.comm,
    c.direction,
    c.local_address,
    c.local_port,
    c.remote_address,
    c.remote_port,
    (EPOCH_NS(c.ts) - EPOCH_NS(c.opened)) / 1e9,
    c.handshake_ns / 1e6,
    c.state_at_start,
    c.tcp_state,
    c.ended,
    c.error,
    c.closed_by,
    CASE WHEN h.process_key IS DISTINCT FROM c.process_key THEN FORMAT('{} ({})', COALESCE(h.comm, '(no name)'), h.pid) END,
    c.sent_bytes,
    c.received_bytes,
    c.retransmits,
    100.0 * c.resent_bytes / NULLIF(CAST(c.sent_bytes AS DOUBLE PRECISION) + c.resent_bytes, 0),
    c.rtt_us / 1e3,
    c.network_namespace,
    c.process_key.start
FROM main.tcp_lives AS c
LEFT JOIN unfiltered.processes AS p ON p.process_key = c.process_key
LEFT JOIN unfiltered.processes AS h ON h.process_key = c.holder_key
ORDER BY c.ended IS NULL, c.ts, c.opened NULLS FIRST, c.connection_id NULLS LAST, c.process_key.pid, c.process_key.start,
    c.local_address, c.local_port, c.remote_address, c.remote_port;
