-- The hypervisor gives the machine less than it wants.
--
-- Of the time in which the CPUs had something to do, the hypervisor ran something else for at least 5 %, in a window of
-- 5 s or more, and for 1 s or more: high from 20 % on. Processes are slower by as much, and none of them is the cause:
-- other virtual machines on the host are, or a limit that the provider sets. Threads do not wait for a CPU then, as
-- theirs was there, and stood still.
--
-- needs: finding.span, main.host
-- kept: window
CREATE VIEW finding.stolen(
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
WITH totals AS (
    SELECT
        SUM(stolen_ns) / 1e9 AS stolen_s,
        SUM(CASE WHEN stolen_ns IS NOT NULL THEN wanted_ns END) / 1e9 AS wanted_s,
        COUNT(DISTINCT cpu) AS cpus
    FROM main.host
)
SELECT
    CASE WHEN t.stolen_s >= 0.2 * t.wanted_s THEN 'high' ELSE 'medium' END,
    t.stolen_s / t.wanted_s,
    NULL,
    NULL,
    'the machine',
    FORMAT('lost {:.0f} % of the CPU time that it wanted to the hypervisor', 100 * t.stolen_s / t.wanted_s),
    FORMAT('{:.2f} s were stolen from {} CPUs, which had something to do for {:.2f} s of {:.1f} s', t.stolen_s, t.cpus, t.wanted_s, s.counted_s),
    '5 % of the time that CPUs had something to do, 1 s, a window of 5 s',
    'cpus',
    'host'
FROM totals AS t
CROSS JOIN finding.span AS s
WHERE s.counted_s >= 5 AND t.stolen_s >= 1 AND t.stolen_s >= 0.05 * t.wanted_s;
