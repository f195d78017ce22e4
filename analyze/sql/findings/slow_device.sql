-- A disk that takes long, and whose requests a process waits for.
--
-- Reads or writes, 3 or more, took the device 20 ms or more in the mean, from when its driver had them to their end, and
-- processes waited for the disk for 1 s or more and 20 % of the window, as far as they made requests to it. High from
-- 50 % on. The time that requests waited before that, in the queue, is told beside it. A device that gives work to
-- others, such as a loop device, may be slow because of what lies below: its file system's server, or a disk that then
-- has a finding of its own.
--
-- needs: finding.process, finding.span, main.block_io, main.cpu, main.disk_latencies, unfiltered.disk_names,
--    unfiltered.percentile_ns
-- kept: window
-- only of: block_io
CREATE VIEW finding.slow_device(
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
counts AS (
    SELECT
        disk_device, operation,
        SUM(requests) FILTER (duration_bucket IS NOT NULL) AS requests,
        SUM(service_ns) AS service_ns, MAX(max_service_ns) AS max_ns,
        SUM(queue_ns) / NULLIF(SUM(queued), 0) AS queue_ns
    FROM main.block_io
    WHERE operation IN ('read', 'write')
    GROUP BY disk_device, operation
),
slow AS (
    SELECT *, service_ns / requests AS mean_ns
    FROM counts
    WHERE requests >= 3 AND service_ns >= 20e6 * requests
    QUALIFY ROW_NUMBER() OVER (PARTITION BY disk_device ORDER BY service_ns DESC, operation) = 1
),
ranked AS (
    SELECT
        disk_device, operation, middle_ns,
        SUM(SUM(requests)) OVER one AS n,
        SUM(SUM(requests)) OVER (one ORDER BY middle_ns ROWS UNBOUNDED PRECEDING) AS reached
    FROM main.disk_latencies
    WHERE stage = 'service' AND middle_ns IS NOT NULL AND requests > 0
    GROUP BY disk_device, operation, middle_ns
    WINDOW one AS (PARTITION BY disk_device, operation)
),
percentiles AS (
    SELECT disk_device, operation, unfiltered.percentile_ns(990, middle_ns, reached, n) AS p99_ns
    FROM ranked
    GROUP BY disk_device, operation
),
blocked AS (
    SELECT process_key, SUM(waited_ns) / 1e9 AS blocked_s
    FROM main.cpu
    WHERE waited_for = 'disk'
    GROUP BY process_key
),
-- Whom each disk kept: no longer than it was blocked, and no longer than its requests took.
kept AS (
    SELECT b.disk_device, b.process_key, MAX(w.blocked_s) AS blocked_s, LEAST(MAX(w.blocked_s), (SUM(b.service_ns) + SUM(b.queue_ns)) / 1e9) AS kept_s
    FROM main.block_io AS b
    JOIN blocked AS w ON w.process_key = b.process_key
    GROUP BY b.disk_device, b.process_key
),
waiting AS (
    SELECT k.disk_device, COUNT(*) AS processes, SUM(k.kept_s) AS kept_s, MAX_BY(p.comm || ' (' || CAST(p.pid AS VARCHAR) || ')', k.kept_s) AS comm,
        MAX(k.kept_s) AS most_s
    FROM kept AS k
    JOIN finding.process AS p ON p.process_key = k.process_key
    WHERE k.kept_s > 0
    GROUP BY k.disk_device
)
SELECT
    CASE WHEN w.kept_s >= 0.5 * s.counted_s THEN 'high' ELSE 'medium' END,
    w.kept_s / NULLIF(s.counted_s, 0),
    NULL,
    NULL,
    'the disk ' || COALESCE(d.disk, CAST(c.disk_device AS VARCHAR)),
    FORMAT('takes {:.0f} ms for a {}; {} waited {:.1f} s for it', c.mean_ns / 1e6, c.operation, w.comm, w.most_s),
    FORMAT(
        '{:,} {}s: mean {:.1f} ms, 99th percentile {:.1f} ms, longest {:.1f} ms by the device, {:.3f} ms in the queue before',
        CAST(c.requests AS BIGINT), c.operation, c.mean_ns / 1e6, q.p99_ns / 1e6, c.max_ns / 1e6, COALESCE(c.queue_ns, 0) / 1e6
    )
    || FORMAT('; {} waited, together {:.1f} s', CASE w.processes WHEN 1 THEN '1 process' ELSE FORMAT('{} processes', w.processes) END, w.kept_s)
    || COALESCE('; its file is ' || d.backing_file, '')
    || COALESCE('; below it lies ' || d.below, ''),
    '3 requests, 20 ms in the mean, and processes that wait for 1 s and 20 % of the window',
    'disks',
    'block_io, cpu'
FROM slow AS c
JOIN waiting AS w ON w.disk_device = c.disk_device
LEFT JOIN percentiles AS q ON q.disk_device = c.disk_device AND q.operation = c.operation
LEFT JOIN unfiltered.disk_names AS d ON d.disk_device = c.disk_device
CROSS JOIN finding.span AS s
WHERE w.kept_s >= 1 AND w.kept_s >= 0.2 * s.counted_s;
