-- A system call with a slow tail.
--
-- A call of one process has a 99th percentile of at least 50 times its median and 10 ms, over 200 calls or more, and
-- took 2 % of the window in total, without waits for a CPU. Medium from 10 % on. Only calls on files or memory, and
-- flock, fcntl and connect, count. Left out: calls that wait by nature, such as poll, futex, sleeps and waits for
-- children, and calls that may be on a pipe or socket, such as read and write, whose latency depends on others. For
-- fsync and for writes with O_SYNC see `sync_stall`.
--
-- needs: finding.call, finding.process, finding.span, finding.sync_stall, main.syscall_latencies,
--    unfiltered.bucket_middle_ns, unfiltered.is_work, unfiltered.percentile_ns, unfiltered.process_key
-- kept: window
CREATE VIEW finding.slow_tail(
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
-- Only candidates: percentiles take long.
likely AS (
    SELECT c.*, p.wait_s
    FROM finding.call AS c
    CROSS JOIN finding.span AS s
    JOIN finding.process AS p ON p.process_key = c.process_key
    WHERE unfiltered.is_work(c.syscall)
        AND c.calls >= 200
        AND c.max_us >= 10000
        AND c.total_s - COALESCE(p.wait_s, 0) >= 0.02 * s.counted_s
),
buckets AS (
    SELECT l.process_key, l.abi, l.syscall, c.low_ns, c.high_ns, SUM(c.calls) AS calls, MAX(c.max_ns) AS max_ns
    FROM likely AS l
    JOIN main.syscall_latencies AS c ON c.process_key = l.process_key AND c.syscall = l.syscall
        AND c.abi IS NOT DISTINCT FROM l.abi
    WHERE c.low_ns IS NOT NULL
    GROUP BY l.process_key, l.abi, l.syscall, c.low_ns, c.high_ns
),
ranked AS (
    SELECT
        *,
        unfiltered.bucket_middle_ns(low_ns, high_ns, max_ns) AS middle_ns,
        SUM(calls) OVER one_call AS n,
        SUM(calls) OVER (one_call ORDER BY low_ns) AS reached
    FROM buckets
    WINDOW one_call AS (PARTITION BY process_key, abi, syscall)
),
tails AS (
    SELECT process_key, abi, syscall,
        unfiltered.percentile_ns(500, middle_ns, reached, n) / 1e3 AS p50_us,
        unfiltered.percentile_ns(990, middle_ns, reached, n) / 1e3 AS p99_us
    FROM ranked
    GROUP BY process_key, abi, syscall
)
SELECT
    CASE WHEN c.total_s - COALESCE(c.wait_s, 0) >= 0.1 * s.counted_s THEN 'medium' ELSE 'low' END,
    c.total_s / s.counted_s,
    c.process_key.pid,
    c.process_key.start,
    NULL,
    FORMAT('has a slow tail in {}: p99 {:.1f} ms, median {:.1f} us', c.syscall, t.p99_us / 1e3, t.p50_us),
    FORMAT('{:,.0f} calls of {}: median {:.1f} us, p99 {:.1f} us, longest {:.1f} us, {:.3f} s in total', c.calls, c.syscall,
        t.p50_us, t.p99_us, c.max_us, c.total_s),
    'p99 50 times the median and 10 ms, 200 calls, 2 % of the window',
    FORMAT('syscalls_by_process --pid {}', c.process_key.pid),
    'cpu, syscall_stats'
FROM likely AS c
JOIN tails AS t ON t.process_key = c.process_key AND t.syscall = c.syscall
    AND t.abi IS NOT DISTINCT FROM c.abi
CROSS JOIN finding.span AS s
WHERE t.p99_us >= 10000
    AND t.p99_us >= 50 * t.p50_us
    AND NOT (
        c.syscall LIKE 'pwrite%'
        AND EXISTS (
            FROM finding.sync_stall AS y
            WHERE unfiltered.process_key(y.pid, y.start) = c.process_key AND y.rests_on LIKE '%open%'
        )
    );
