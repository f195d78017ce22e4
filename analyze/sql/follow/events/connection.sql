-- TCP connections that ended.
--
-- With their ends, how they ended, bytes, and how long they lasted if they began in the recording. One that did not end as
-- agreed stands out.
--
-- needs: main.tcp_connections, unfiltered.processes
-- only of: connection
CREATE VIEW event.connection(
    -- When it happened, since 1970 [ns].
    ts_ns,
    -- When it was over, since 1970 [ns]: who follows a recording sees it then.
    seen_ns,
    -- What happened, by the name that `--events` takes.
    event,
    -- Process id (thread group id); NULL if unknown, or of no process.
    pid,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start,
    -- Command name; NULL if unknown.
    comm,
    -- Whether it stands out: it failed, or something was lost.
    failed,
    -- Name of the error; NULL if there is none.
    error,
    -- What it was, as text.
    what,
    -- How long it took [ns]; NULL if that is not measured, or it takes no time.
    latency_ns
) AS
WITH ended AS (
    SELECT
        *,
        CASE WHEN family = 'AF_INET6' THEN '[' || local_address || ']' ELSE local_address END
            || COALESCE(':' || local_port, '') AS here,
        CASE WHEN family = 'AF_INET6' THEN '[' || remote_address || ']' ELSE remote_address END
            || COALESCE(':' || remote_port, '') AS there,
        TRY(EPOCH_NS(ts) - EPOCH_NS(opened)) AS lasted_ns
    FROM main.tcp_connections
    WHERE ended IS NOT NULL
)
SELECT
    EPOCH_NS(e.ts),
    EPOCH_NS(e.ts),
    'connection',
    e.pid,
    e.start,
    p.comm,
    e.ended <> 'closed',
    e.error,
    e.ended || ' ' || COALESCE(e.here, '?')
        || CASE e.direction WHEN 'in' THEN ' from ' WHEN 'out' THEN ' to ' ELSE ' - ' END || COALESCE(e.there, '?')
        || COALESCE(', sent ' || e.sent_bytes, '') || COALESCE(', received ' || e.received_bytes, '')
        || CASE WHEN e.retransmits > 0 THEN ', sent again ' || e.retransmits ELSE '' END,
    e.lasted_ns
FROM ended AS e
LEFT JOIN unfiltered.processes AS p ON p.process_key = e.process_key;
