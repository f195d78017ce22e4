-- A process that does not reap its children.
--
-- At the end of the recording at least 3 of its children were zombies (state Z): they had ended, and keep their
-- process ids until the parent waits for them. Only those count that were zombies at the start of the recording, or
-- that ended at least 5 s before its end. Medium from 100 on. With a window, this is still the state at the end of
-- the recording.
--
-- needs: unfiltered.clocks, unfiltered.exits, unfiltered.process_states
-- kept: window
CREATE VIEW finding.unreaped(
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
dead AS (
    SELECT ppid, parent_start, process_key, BOOL_OR(edge IN ('start', 'both')) AS before, BOOL_OR(edge IN ('end', 'both')) AS after
    FROM unfiltered.process_states
    WHERE state = 'Z'
    GROUP BY ppid, parent_start, process_key
),
latest AS (SELECT MAX(ts) AS ts FROM unfiltered.clocks),
long_ended AS (
    SELECT DISTINCT x.process_key
    FROM unfiltered.exits AS x
    CROSS JOIN latest AS l
    WHERE EPOCH_NS(x.ts) <= EPOCH_NS(l.ts) - 5000000000
),
parents AS (
    SELECT d.ppid, d.parent_start, COUNT(*) AS zombies, MIN(d.process_key.pid) AS example
    FROM dead AS d
    LEFT JOIN long_ended AS e ON e.process_key = d.process_key
    WHERE d.after AND (d.before OR e.process_key IS NOT NULL)
    GROUP BY d.ppid, d.parent_start
)
SELECT
    CASE WHEN p.zombies >= 100 THEN 'medium' ELSE 'low' END,
    p.zombies,
    p.ppid,
    p.parent_start,
    NULL,
    FORMAT('has not reaped {:,} children that ended', p.zombies),
    FORMAT('{:,} zombies for 5 s or more at the end of the recording, such as pid {}', p.zombies, p.example),
    '3 zombies for 5 s',
    'processes',
    'exit, process'
FROM parents AS p
WHERE p.zombies >= 3 AND p.ppid > 0;
