-- A process whose memory grows steadily.
--
-- The process's own memory (anonymous and swapped, without what it shares since a fork, if that was read) grew
-- linearly (r2 at least 0.9) over 10 snapshots and 10 s or more since its last exec, by at least 8 MiB and 10 %, at
-- 1 MiB a minute or more, with at least a quarter of the growth in each half of the time. High from 1 GiB a minute
-- on, medium from 32 MiB a minute on. A leak looks like this, but so does a program that fills a cache or reads its
-- input: check again later. Left out: processes that began and ended successfully in the window and needed a CPU for
-- half of their life, such as compilers. Shared memory has its own rule (`shared_memory`).
--
-- needs: finding.trend
-- kept: window
CREATE VIEW finding.memory_growth(
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
    CASE
        WHEN t.per_min >= 1073741824 THEN 'high'
        WHEN t.per_min >= 33554432 THEN 'medium'
        ELSE 'low'
    END,
    t.per_min / 1073741824,
    t.process_key.pid,
    t.process_key.start,
    NULL,
    FORMAT('grows by {:.1f} MiB a minute, like a leak', t.per_min / 1048576),
    FORMAT('from {:.1f} to {:.1f} MiB of {} in {:.1f} s and {} snapshots: {:.1f} MiB a minute, r2 {:.3f}',
        t.first_value / 1048576, t.last_value / 1048576,
        CASE WHEN t.aside IS NULL THEN 'anonymous memory' ELSE 'its own memory' END,
        t.span_s, t.samples, t.per_min / 1048576, t.r2)
    || CASE WHEN t.aside >= 1048576 THEN FORMAT('; {:.1f} MiB more are shared with others since a fork', t.aside / 1048576)
        ELSE '' END
    || COALESCE(FORMAT('; descriptors from {:.0f} to {:.0f}', d.first_value, d.last_value), '')
    || COALESCE(FORMAT('; threads from {:.0f} to {:.0f}', n.first_value, n.last_value), ''),
    '10 snapshots, 10 s, 8 MiB, 10 %, 1 MiB a minute, r2 0.9, a quarter of the growth in each half',
    FORMAT('memory_growth --pid {}', t.process_key.pid),
    'cpu, memory, pss'
FROM finding.trend AS t
LEFT JOIN finding.trend AS d ON d.process_key = t.process_key AND d.what = 'descriptors'
LEFT JOIN finding.trend AS n ON n.process_key = t.process_key AND n.what = 'threads'
WHERE t.what = 'own'
    AND t.per_min >= 1048576
    AND t.last_value - t.first_value >= 8388608;
