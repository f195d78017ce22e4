-- A process that touches more and more of its shared memory.
--
-- Its resident shared memory (System V, shared anonymous mappings, tmpfs) grew along a line, with r2 of at least 0.9, over
-- 10 snapshots and 10 s or more since its last exec, by 8 MiB and 10 % in all, at 1 MiB a minute or more, and in each half
-- of the time by a quarter of it. Always low: a page counts for a process from when it first touches it, as a worker of a
-- database does with a buffer that is there anyway, and that ends at the size of the segment. It goes on only if segments,
-- or files in tmpfs, are made anew: look again later. Left out is what began and ended in the window with success and
-- wanted a CPU half of its life.
--
-- needs: finding.trend, report.pss
-- kept: window
CREATE VIEW finding.shared_memory(
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
    'low',
    t.per_min / 1073741824,
    t.pid,
    t.start,
    NULL,
    FORMAT('touches {:.1f} MiB more of shared memory a minute, which ends at the size of the segment',
        t.per_min / 1048576),
    FORMAT('from {:.1f} to {:.1f} MiB of shared memory in {:.1f} s and {} snapshots: {:.1f} MiB a minute, r2 {:.3f}',
        t.first_value / 1048576, t.last_value / 1048576, t.span_s, t.samples, t.per_min / 1048576, t.r2)
    || COALESCE(FORMAT('; {:.1f} MiB are its part of it (PSS)', s.pss_shmem_mib), ''),
    '10 snapshots, 10 s, 8 MiB, 10 %, 1 MiB a minute, r2 0.9, a quarter of it in each half',
    FORMAT('memory_growth --pid {}', t.pid),
    'cpu, memory, pss'
FROM finding.trend AS t
LEFT JOIN report.pss AS s ON s.pid = t.pid AND s.start IS NOT DISTINCT FROM t.start
WHERE t.what = 'shared'
    AND t.per_min >= 1048576
    AND t.last_value - t.first_value >= 8388608;
