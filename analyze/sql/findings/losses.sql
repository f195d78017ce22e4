-- Something is missing from the trace.
--
-- Rows or counts that should be in the window were lost: for each cause and place. High if 10 % or more of the rows of
-- that kind are missing, medium from 1 % on, or if the share is not known, as of counts that did not fit into a map;
-- low what a program missed because it ran already, and what --max-rate kept out; 0.1 % and less are left out, as are strings that were not in memory
-- and calls that seccomp refused, of which nothing else is missing. A finding that such a loss could change says so.
--
-- needs: main.losses, main.recording, unfiltered.stored
-- kept: window
CREATE VIEW finding.losses(
    -- How much it matters: 'high', 'medium' or 'low'.
    severity,
    -- What it weighs among those of its severity, the more the worse; of most rules its share of the window.
    weight,
    -- Process id of the process concerned; NULL: none, or several.
    pid,
    -- When that process began, since boot [ns].
    start,
    -- What it is about; NULL: the process, by its name and id.
    subject,
    -- What is the matter with it, in words that follow on the subject.
    summary,
    -- The numbers that say so.
    evidence,
    -- From what on it is a finding.
    threshold,
    -- What shows more, as arguments of `sysmon report TRACE`.
    command,
    -- The kinds of rows that it rests on, in the order of the alphabet.
    rests_on
) AS
WITH
rows AS (
    SELECT t.kind, COUNT(*) AS n
    FROM unfiltered.stored AS t
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
        WHEN cause = 'stepped down' THEN 'has calls that are only counted, without an event: '
        ELSE 'is not complete: '
    END || COALESCE(FORMAT('{:,.0f}', lost), 'an unknown number')
    || CASE WHEN cause = 'stepped down' THEN ', ' ELSE ' lost, ' END || cause || ' ' || place,
    COALESCE(FORMAT('{:,.0f}', lost), 'an unknown number')
    || CASE WHEN cause = 'stepped down' THEN ' without an event (' ELSE ' lost (' END || cause || ', ' || place || ')'
    || COALESCE(FORMAT(', {:.1f} % of what there was', share_pct), ''),
    'more than 0.1 % of a kind of events, or any of what is counted',
    'losses',
    ''
FROM shares
WHERE lost > 0 AND (share_pct > 0.1 OR share_pct IS NULL) OR lost IS NULL;
