-- The trace is incomplete.
--
-- Rows or counts were lost in the window; one finding per cause and place. High if 10 % or more of the rows of the
-- kind are missing. Medium from 1 % on, or if the share is unknown, as for counts that did not fit into a map. Low
-- if a program was skipped because it already ran, or if --max-rate throttled the kind. Left out: 0.1 % and less,
-- strings that were not in memory, and calls that seccomp refused, as nothing else of these is missing. Findings
-- that a loss could change say so.
--
-- needs: main.losses, main.recording, windowed.stored
-- kept: window
CREATE VIEW finding.losses(
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
rows AS (
    SELECT t.kind, COUNT(*) AS n
    FROM windowed.stored AS t
    CROSS JOIN main.recording AS r
    WHERE t.kind IN ('fork', 'exec', 'exit', 'rename', 'open', 'file_op', 'socket', 'syscall')
        AND (r.since IS NULL OR t.ts >= r.since)
        AND (r.until IS NULL OR t.ts < r.until)
        AND EXISTS (SELECT 1 FROM main.losses)
    GROUP BY t.kind
),
lost AS (
    SELECT cause, place, CAST(SUM(lost) AS DOUBLE PRECISION) AS lost
    FROM main.losses
    WHERE cause NOT IN ('unreadable', 'refused')
    GROUP BY cause, place
),
shares AS (
    SELECT l.cause, l.place, l.lost, r.n, 100 * l.lost / NULLIF(l.lost + r.n, 0) AS share_pct
    FROM lost AS l
    LEFT JOIN rows AS r ON r.kind = l.place AND l.cause IN ('ring full', 'stepped down')
)
SELECT
    CASE
        WHEN cause = 'stepped down' THEN 'low'
        WHEN share_pct >= 10 THEN 'high'
        WHEN share_pct >= 1 OR (share_pct IS NULL AND cause <> 'recursion') THEN 'medium'
        ELSE 'low'
    END,
    COALESCE(share_pct / 100, 0),
    NULL,
    NULL,
    'the trace',
    CASE
        WHEN cause = 'stepped down' THEN 'has throttled calls, which are counted but not rows: '
        ELSE 'is incomplete: '
    END || COALESCE(FORMAT('{:,.0f}', lost), 'an unknown number')
    || CASE WHEN cause = 'stepped down' THEN ', ' ELSE ' lost, ' END || cause || ' ' || place,
    COALESCE(FORMAT('{:,.0f}', lost), 'an unknown number')
    || CASE WHEN cause = 'stepped down' THEN ' throttled (' ELSE ' lost (' END || cause || ', ' || place || ')'
    || COALESCE(FORMAT(', {:.1f} % of all', share_pct), ''),
    'more than 0.1 % of the events of a kind, or any lost counts',
    'losses',
    ''
FROM shares
WHERE lost > 0 AND (share_pct > 0.1 OR share_pct IS NULL) OR lost IS NULL;
