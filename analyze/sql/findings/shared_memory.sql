-- A process that touches more and more of its shared memory.
--
-- Its resident shared memory (System V, shared anonymous mappings, tmpfs) grew linearly (r2 at least 0.9) over 10
-- snapshots and 10 s or more since its last exec, by at least 8 MiB and 10 %, at 1 MiB a minute or more, with at
-- least a quarter of the growth in each half of the time. Always low: a page counts for a process once it touches
-- the page, such as a database worker with a buffer that exists anyway, and this growth ends at the size of the
-- segment. It continues only if segments, or files in tmpfs, are created again: check again later. Left out:
-- processes that began and ended successfully in the window and needed a CPU for half of their life.
--
-- needs: finding.trend, report.pss, unfiltered.process_key
-- kept: window
CREATE VIEW finding.shared_memory(
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
SELECT
    'low',
    t.per_min / 1073741824,
    t.process_key.pid,
    t.process_key.start,
    NULL,
    FORMAT('touches {:.1f} MiB more of shared memory a minute, at most up to the size of the segment',
        t.per_min / 1048576),
    FORMAT('from {:.1f} to {:.1f} MiB of shared memory in {:.1f} s and {} snapshots: {:.1f} MiB a minute, r2 {:.3f}',
        t.first_value / 1048576, t.last_value / 1048576, t.span_s, t.samples, t.per_min / 1048576, t.r2)
    || COALESCE(FORMAT('; {:.1f} MiB are its share (PSS)', s.pss_shmem_mib), ''),
    '10 snapshots, 10 s, 8 MiB, 10 %, 1 MiB a minute, r2 0.9, a quarter of the growth in each half',
    FORMAT('memory_growth --pid {}', t.process_key.pid),
    'cpu, memory, pss'
FROM finding.trend AS t
LEFT JOIN report.pss AS s ON unfiltered.process_key(s.pid, s.start) = t.process_key
WHERE t.what = 'shared'
    AND t.per_min >= 1048576
    AND t.last_value - t.first_value >= 8388608;
