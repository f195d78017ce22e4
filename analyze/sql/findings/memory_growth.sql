-- A process whose memory grows steadily.
--
-- The memory of a process of its own (anonymous and swapped, without what it shares since a fork where that was read)
-- grew along a line, with r2 of at least 0.9, over 10 snapshots and 10 s or more since its last exec, by 8 MiB and 10 %
-- in all, at 1 MiB a minute or more, and in each half of the time by a quarter of it. High from 1 GiB a minute on, medium
-- from 32 MiB a minute on. That is how a leak looks, and also how a program looks that fills a cache or reads its input:
-- look again later. Left out is what began and ended in the window with success and wanted a CPU half of its life, as a
-- compiler does: it needs memory for what it computes. For shared memory there is a rule of its own (`shared_memory`).
--
-- needs: finding.trend
-- kept: window
CREATE VIEW finding.memory_growth(
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
        WHEN t.per_min >= 1073741824 THEN 'high'
        WHEN t.per_min >= 33554432 THEN 'medium'
        ELSE 'low'
    END,
    t.per_min / 1073741824,
    t.pid,
    t.start,
    NULL,
    FORMAT('grows by {:.1f} MiB a minute, as with a leak', t.per_min / 1048576),
    FORMAT('from {:.1f} to {:.1f} MiB of {} in {:.1f} s and {} snapshots: {:.1f} MiB a minute, r2 {:.3f}',
        t.first_value / 1048576, t.last_value / 1048576,
        CASE WHEN t.aside IS NULL THEN 'anonymous memory' ELSE 'its own' END,
        t.span_s, t.samples, t.per_min / 1048576, t.r2)
    || CASE WHEN t.aside >= 1048576 THEN FORMAT('; {:.1f} MiB more are others'' part since a fork', t.aside / 1048576)
        ELSE '' END
    || COALESCE(FORMAT('; descriptors from {:.0f} to {:.0f}', d.first_value, d.last_value), '')
    || COALESCE(FORMAT('; threads from {:.0f} to {:.0f}', n.first_value, n.last_value), ''),
    '10 snapshots, 10 s, 8 MiB, 10 %, 1 MiB a minute, r2 0.9, a quarter of it in each half',
    FORMAT('memory_growth --pid {}', t.pid),
    'cpu, memory, pss'
FROM finding.trend AS t
LEFT JOIN finding.trend AS d ON d.pid = t.pid AND d.start IS NOT DISTINCT FROM t.start AND d.what = 'descriptors'
LEFT JOIN finding.trend AS n ON n.pid = t.pid AND n.start IS NOT DISTINCT FROM t.start AND n.what = 'threads'
WHERE t.what = 'own'
    AND t.per_min >= 1048576
    AND t.last_value - t.first_value >= 8388608;
