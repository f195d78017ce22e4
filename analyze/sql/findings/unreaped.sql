-- A process does not ask how its children ended.
--
-- At the end of the recording at least 3 of its children were zombies (state Z): they had ended, and hold their process
-- ids until it waits for them. Such as were zombies at the beginning already count, and such as ended 5 s before the end
-- of the recording or sooner: a child that has just ended is none. Medium from 100 on. Of a window it says what is so at
-- the end of the recording.
--
-- needs: unfiltered.clocks, unfiltered.exits, unfiltered.process_states
-- kept: window
CREATE VIEW finding.unreaped(
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
dead AS (
    SELECT ppid, parent_start, pid, start, BOOL_OR(edge IN ('start', 'both')) AS before, BOOL_OR(edge IN ('end', 'both')) AS after
    FROM unfiltered.process_states
    WHERE state = 'Z'
    GROUP BY ppid, parent_start, pid, start
),
latest AS (SELECT MAX(ts) AS ts FROM unfiltered.clocks),
long_ended AS (
    SELECT DISTINCT x.pid, x.start
    FROM unfiltered.exits AS x
    CROSS JOIN latest AS l
    WHERE EPOCH_NS(x.ts) <= EPOCH_NS(l.ts) - 5000000000
),
parents AS (
    SELECT d.ppid, d.parent_start, COUNT(*) AS zombies, MIN(d.pid) AS example
    FROM dead AS d
    LEFT JOIN long_ended AS e ON e.pid = d.pid AND e.start IS NOT DISTINCT FROM d.start
    WHERE d.after AND (d.before OR e.pid IS NOT NULL)
    GROUP BY d.ppid, d.parent_start
)
SELECT
    CASE WHEN p.zombies >= 100 THEN 'medium' ELSE 'low' END,
    p.zombies,
    p.ppid,
    p.parent_start,
    NULL,
    FORMAT('has {:,} children that ended and that it has not waited for', p.zombies),
    FORMAT('{:,} zombies at the end of the recording, for 5 s or more, such as pid {}', p.zombies, p.example),
    '3 zombies for 5 s',
    'processes',
    'exit, process'
FROM parents AS p
WHERE p.zombies >= 3 AND p.ppid > 0;
