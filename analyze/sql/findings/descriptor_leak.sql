-- A process opens more descriptors than it closes.
--
-- Its number of descriptors grew linearly (r2 at least 0.9) over 10 snapshots and 10 s or more since its last exec,
-- by at least 20 and 10 %, with at least a quarter of the growth in each half of the time. High from 1,000 a minute
-- on, medium from 60 a minute on. When the limit is reached (`ulimit -n`, often 1024), it can open neither files nor
-- connections (EMFILE). A server that gets busier looks the same: check again later. Left out: processes that began
-- and ended successfully in the window and needed a CPU for half of their life. What leaks is, of the files and sockets
-- that got descriptors meanwhile, the one that got most numbers: one that is closed leaves its number to the next.
--
-- needs: finding.trend, main.opens, main.sockets, unfiltered.file_name, unfiltered.full_path
-- kept: window
CREATE VIEW finding.descriptor_leak(
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
leaks AS (
    SELECT *
    FROM finding.trend
    WHERE what = 'descriptors' AND last_value - first_value >= 20
),
given AS (
    SELECT process_key, result AS fd, unfiltered.file_name(mount_namespace, unfiltered.full_path(origin, path, directory)) AS name
    FROM main.opens
    WHERE result >= 0 AND process_key IN (SELECT process_key FROM leaks)
    UNION ALL
    SELECT process_key, result,
        CASE WHEN syscall = 'socket' THEN 'sockets that it made' ELSE 'connections that it accepted' END
        || COALESCE(' (' || family || ')', '')
    FROM main.sockets
    WHERE syscall IN ('socket', 'accept', 'accept4') AND result >= 0 AND process_key IN (SELECT process_key FROM leaks)
),
numbers AS (
    SELECT process_key, name, COUNT(DISTINCT fd) AS n
    FROM given
    GROUP BY process_key, name
    QUALIFY ROW_NUMBER() OVER (PARTITION BY process_key ORDER BY COUNT(DISTINCT fd) DESC, name NULLS LAST) = 1
)
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
    FORMAT('gains {:.0f} descriptors a minute, like a leak', t.per_min),
    FORMAT('from {:.0f} to {:.0f} descriptors in {:.1f} s and {} snapshots: {:.1f} a minute, r2 {:.3f}',
        t.first_value, t.last_value, t.span_s, t.samples, t.per_min, t.r2)
    || COALESCE(FORMAT('; most descriptors, {:,}, went to {}', n.n, n.name), ''),
    '10 snapshots, 10 s, 20 descriptors, 10 %, r2 0.9, a quarter of the growth in each half',
    FORMAT('memory_timeline --pid {}', t.process_key.pid),
    'cpu, memory, open, socket'
FROM leaks AS t
LEFT JOIN numbers AS n ON n.process_key = t.process_key;
