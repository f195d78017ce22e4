-- Threads that wait for one lock, and the thread that holds it.
--
-- 2 or more threads of a process waited for one lock, together for 1 s or more and at least half of the window; high from
-- twice the window on. They hand it to each other: at least two threads that released it had waited for it, too. A queue
-- that one thread fills and others wait for is no such lock. The thread that held it longest while others waited is
-- named. That is a lower limit: nobody sees a lock taken that is free. Needs `record --with waits`.
--
-- needs: finding.process, finding.span, main.ended_waits
-- kept: window
-- only of: waits
CREATE VIEW finding.lock_convoy(
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
waits AS (
    SELECT process_key, object, tid, waker_tid, MAX(waker) AS waker, SUM(ns) AS ns, SUM(waits) AS waits, SUM(held_ns) AS held_ns
    FROM main.ended_waits
    WHERE waited_for = 'lock' AND object IS NOT NULL AND waker_tid IS NOT NULL AND held_ns IS NOT NULL
    GROUP BY process_key, object, tid, waker_tid
),
waiters AS (
    SELECT process_key, object, COUNT(DISTINCT tid) AS threads, SUM(ns) / 1e9 AS waited_s, SUM(waits) AS waits
    FROM waits
    GROUP BY process_key, object
),
wakers AS (
    SELECT
        process_key, object, MAX(waker) AS waker, SUM(held_ns) / 1e9 AS held_s,
        BOOL_OR((process_key, object, waker_tid) IN (SELECT (process_key, object, tid) FROM waits)) AS waited
    FROM waits
    GROUP BY process_key, object, waker_tid
),
holders AS (
    SELECT
        process_key, object, COUNT(*) FILTER (waited) AS waited, MAX_BY(waker, (held_s, waker)) AS waker,
        MAX(held_s) AS held_s, SUM(held_s) AS all_held_s
    FROM wakers
    GROUP BY process_key, object
)
SELECT
    CASE WHEN w.waited_s >= 2 * s.counted_s THEN 'high' ELSE 'medium' END,
    w.waited_s / NULLIF(s.counted_s, 0),
    p.pid,
    p.start,
    NULL,
    FORMAT(
        'has {} threads that wait for one lock, {:.1f} s in all; {} held it {:.0f} % of that time',
        w.threads, w.waited_s, h.waker, 100 * h.held_s / NULLIF(h.all_held_s, 0)
    ),
    FORMAT(
        '{}: {:,} waits of {} threads, {:.3f} s in all; {} held it for {:.3f} s or more of the {:.3f} s that are known',
        w.object, w.waits, w.threads, w.waited_s, h.waker, h.held_s, h.all_held_s
    ),
    '2 threads, together 1 s and half of the window',
    FORMAT('wakers_by_thread --pid {}', p.pid),
    'waits'
FROM waiters AS w
JOIN holders AS h ON h.process_key = w.process_key AND h.object = w.object
JOIN finding.process AS p ON p.process_key = w.process_key
CROSS JOIN finding.span AS s
WHERE w.threads >= 2 AND h.waited >= 2 AND w.waited_s >= 1 AND w.waited_s >= 0.5 * s.counted_s AND h.held_s > 0;
