-- Connections that the other side has closed and the process has not.
--
-- At the end of the recording at least 10 TCP connections of a process had been in CLOSE_WAIT for 1 s or more, in
-- whatever network namespace. High from 1,000 on. The process here is the one that has their descriptors. In traces
-- without the kind `connection` this is derived from descriptors: accepted connections that stayed open for 1 s or more
-- after a client on the same machine, which was recorded, had closed its end.
--
-- needs: finding.left_open, finding.process, main.tcp_lives, unfiltered.tcp_connections
-- kept: window
CREATE VIEW finding.close_wait(
    -- Severity: 'high', 'medium' or 'low'.
    severity,
    -- Rank among findings of the same severity, higher is worse; for most rules the share of the window.
    weight,
    -- Process id of the process concerned; NULL if there is none or there are several.
    pid,
    -- Start time of that process, since boot [ns].
    start,
    -- What the finding is about; NULL for the process, shown by name and id.
    subject,
    -- What is wrong, as a continuation of the subject.
    summary,
    -- The evidence in numbers.
    evidence,
    -- The threshold.
    threshold,
    -- Arguments of `sysmon report TRACE` that show more.
    command,
    -- Kinds of rows it is based on, in alphabetical order.
    rests_on
) AS
WITH
waiting AS (
    SELECT
        COALESCE(holder_key, process_key) AS of_key,
        COUNT(*) AS connections,
        MODE(CASE direction WHEN 'out' THEN remote_port ELSE local_port END) AS port,
        MODE(remote_address) AS peer,
        COUNT(*) FILTER (WHERE state_at_start = 'CLOSE_WAIT') AS before,
        MAX(tcp_state_ns) / 1e9 AS left_s
    FROM main.tcp_lives
    WHERE ended IS NULL AND tcp_state = 'CLOSE_WAIT' AND tcp_state_ns >= 1000000000
    GROUP BY COALESCE(holder_key, process_key)
    HAVING COUNT(*) >= 10
),
found AS (
    SELECT of_key, connections, port, 'the other side has closed' AS words, TRUE AS is_exact,
        FORMAT('at the end {:,} connections had been in CLOSE_WAIT for 1 s or more, up to {:.1f} s, most of them with {}; '
            || '{:,} were in it when the recording began', connections, left_s, peer, before) AS evidence
    FROM waiting
    UNION ALL
    SELECT process_key, connections, port, 'clients have closed', FALSE,
        FORMAT('{:,} of {:,} accepted connections stayed open for 1 s or more after the client had closed its end, up to '
            || '{:.1f} s', connections, accepted, left_s)
    FROM finding.left_open
    WHERE NOT EXISTS (FROM unfiltered.tcp_connections)
)
SELECT
    CASE WHEN f.connections >= 1000 THEN 'high' ELSE 'medium' END,
    f.connections / 1000,
    p.pid,
    p.start,
    NULL,
    FORMAT('keeps connections open that {} (CLOSE_WAIT): {:,} on port {}', f.words, f.connections, f.port),
    f.evidence,
    '10 connections, each 1 s or more',
    FORMAT('tcp_states --pid {}', p.pid),
    CASE WHEN f.is_exact THEN 'connection' ELSE 'exit, open, socket' END
FROM found AS f
JOIN finding.process AS p ON p.process_key = f.of_key;
