-- A process starts more threads than end.
--
-- Its number of threads grew linearly (r2 at least 0.9) over 10 snapshots and 10 s or more since its last exec, by
-- at least 10 and 10 %, with at least a quarter of the growth in each half of the time. High from 1,000 a minute on,
-- medium from 60 a minute on. Each thread has a stack; at the limit of the control group, the user or the kernel
-- none can be started (EAGAIN). A server that gets busier looks the same: check again later. Left out: processes
-- that began and ended successfully in the window and needed a CPU for half of their life.
--
-- needs: finding.trend
-- kept: window
CREATE VIEW finding.thread_leak(
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
        WHEN t.per_min >= 1000 THEN 'high'
        WHEN t.per_min >= 60 THEN 'medium'
        ELSE 'low'
    END,
    t.per_min / 1000,
    t.process_key.pid,
    t.process_key.start,
    NULL,
    FORMAT('gains {:.0f} threads a minute, like a leak', t.per_min),
    FORMAT('from {:.0f} to {:.0f} threads in {:.1f} s and {} snapshots: {:.1f} a minute, r2 {:.3f}',
        t.first_value, t.last_value, t.span_s, t.samples, t.per_min, t.r2),
    '10 snapshots, 10 s, 10 threads, 10 %, r2 0.9, a quarter of the growth in each half',
    FORMAT('memory_timeline --pid {}', t.process_key.pid),
    'cpu, memory'
FROM finding.trend AS t
WHERE t.what = 'threads'
    AND t.last_value - t.first_value >= 10;
