-- TCP segments that were sent again, by process and peer.
--
-- A segment is sent again if it is not acknowledged in time, so it or its acknowledgment was lost or late. SYNs: nobody
-- answers when connections are opened. See `tcp_connections` for each connection, with its share of bytes sent again.
--
-- needs: main.retransmits, unfiltered.processes
CREATE VIEW report.retransmits(
    -- Process id of the one that connected, accepted or listens.
    pid,
    -- Last known command name; '(other)' for all that are unknown or did not fit into a full map.
    comm,
    -- 'out': the connections were opened from here; 'in': to here. NULL if unknown.
    direction,
    -- Address of the other side.
    remote_address,
    -- Port of the other side; NULL if it connected to here.
    remote_port,
    -- Local port; NULL if the connections were opened from here.
    local_port,
    -- Segments with data, or a FIN.
    data,
    -- SYNs of connections opened from here.
    syn,
    -- Answers to SYNs (SYN-ACK).
    syn_ack,
    -- All of them.
    segments,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH totals AS (
    SELECT
        process_key, direction, remote_address, remote_port, local_port,
        SUM(segments) FILTER (WHERE segment = 'data') AS data,
        SUM(segments) FILTER (WHERE segment = 'SYN') AS syn,
        SUM(segments) FILTER (WHERE segment = 'SYN-ACK') AS syn_ack,
        SUM(segments) AS segments
    FROM main.retransmits
    GROUP BY process_key, direction, remote_address, remote_port, local_port
)
SELECT
    t.process_key.pid,
    CASE WHEN t.process_key.pid = 0 THEN '(other)' ELSE p.comm END,
    t.direction,
    t.remote_address,
    t.remote_port,
    t.local_port,
    TRY_CAST(COALESCE(t.data, 0) AS BIGINT),
    TRY_CAST(COALESCE(t.syn, 0) AS BIGINT),
    TRY_CAST(COALESCE(t.syn_ack, 0) AS BIGINT),
    TRY_CAST(t.segments AS BIGINT),
    t.process_key.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
ORDER BY t.segments DESC, t.process_key.pid, t.process_key.start, t.direction NULLS LAST, t.remote_address NULLS LAST,
    t.remote_port NULLS LAST, t.local_port NULLS LAST;
