-- A process opens more descriptors than it closes.
--
-- The number of its descriptors grew along a line, with r2 of at least 0.9, over 10 snapshots and 10 s or more since its last
-- exec, by 20 and 10 % in all, and in each half of the time by a quarter of it. High from 1,000 a minute on, medium
-- from 60 a minute on.
-- When they are as many as the process may have (`ulimit -n`, often 1024), it can open neither files nor connections
-- (EMFILE).
-- A server that is getting busier looks like that, too: look again later. Left out is what began and ended in the window
-- with success and wanted a CPU half of its life.
--
-- needs: finding.trend
-- kept: window
CREATE VIEW finding.descriptor_leak(
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
SELECT
    CASE
        WHEN t.per_min >= 1000 THEN 'high'
        WHEN t.per_min >= 60 THEN 'medium'
        ELSE 'low'
    END,
    t.per_min / 1000,
    t.pid,
    t.start,
    NULL,
    FORMAT('has {:.0f} descriptors more a minute, as with a leak', t.per_min),
    FORMAT('from {:.0f} to {:.0f} descriptors in {:.1f} s and {} snapshots: {:.1f} a minute, r2 {:.3f}',
        t.first_value, t.last_value, t.span_s, t.samples, t.per_min, t.r2),
    '10 snapshots, 10 s, 20 descriptors, 10 %, r2 0.9, a quarter of it in each half',
    FORMAT('memory_growth --pid {}', t.pid),
    'cpu, memory'
FROM finding.trend AS t
WHERE t.what = 'descriptors'
    AND t.last_value - t.first_value >= 20;
