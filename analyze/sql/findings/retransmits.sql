-- Segments that had to be sent again.
--
-- Of what a process sent to one address and port, at least 20 segments and 1 % were sent again, or at least 5 connections
-- got no answer to their first SYNs. High from 5 %, or if no connection of them got an answer. Packets are lost or late on
-- the way, or the other side does not answer.
--
-- needs: finding.process, main.tcp_lives
-- kept: window
-- only of: connection
CREATE VIEW finding.retransmits(
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
totals AS (
    SELECT
        process_key,
        remote_address,
        CASE direction WHEN 'in' THEN NULL ELSE remote_port END AS port,
        COUNT(*) AS connections,
        COUNT(*) FILTER (WHERE tcp_state = 'SYN_SENT' AND retransmits > 0) AS silent,
        CAST(COALESCE(SUM(retransmits) FILTER (WHERE tcp_state <> 'SYN_SENT'), 0) AS DOUBLE PRECISION) AS again,
        CAST(SUM(sent_segments) AS DOUBLE PRECISION) AS segments,
        CAST(SUM(resent_bytes) AS DOUBLE PRECISION) AS resent_bytes,
        MAX(rtt_us) / 1e3 AS rtt_ms
    FROM main.tcp_lives
    WHERE retransmits IS NOT NULL
    GROUP BY process_key, remote_address, CASE direction WHEN 'in' THEN NULL ELSE remote_port END
),
facts AS (
    SELECT *, again / NULLIF(segments, 0) AS share, remote_address || COALESCE(FORMAT(' port {}', port), '') AS peer
    FROM totals
)
SELECT
    CASE WHEN f.share >= 0.05 OR f.silent = f.connections THEN 'high' ELSE 'medium' END,
    GREATEST(COALESCE(LEAST(f.share, 1), 0), f.silent / f.connections),
    p.pid,
    p.start,
    NULL,
    CASE
        WHEN f.silent >= 5 THEN FORMAT('gets no answer from {}: {:,} connections', f.peer, f.silent)
        ELSE FORMAT('sends {:.1f} % of its segments to {} again', 100 * f.share, f.peer)
    END,
    FORMAT('{:,.0f} of {:,.0f} segments were sent again, {:,.0f} bytes, in {:,} connections', f.again, f.segments,
        f.resent_bytes, f.connections)
    || CASE WHEN f.silent > 0 THEN FORMAT('; {:,} got no answer to a SYN', f.silent) ELSE '' END
    || COALESCE(FORMAT('; the longest round-trip time was {:.1f} ms', f.rtt_ms), ''),
    '20 segments and 1 %, or 5 connections without an answer',
    FORMAT('retransmits --pid {}', p.pid),
    'connection'
FROM facts AS f
JOIN finding.process AS p ON p.process_key = f.process_key
WHERE (f.again >= 20 AND f.share >= 0.01) OR f.silent >= 5;
