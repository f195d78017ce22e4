-- A process that waits for a disk because the I/O of its control group is limited.
--
-- It was blocked on a disk for 1 s or more and 20 % of its life in the window, its own requests took less than half of
-- that, in the queue and by the device, and the kernel held back others of its control group (`io.max`,
-- `blkio.throttle`): those were passed on late by a worker. High from 50 % on. The disk itself may be fast. The group of a
-- process is known by requests of its own that were not held back.
--
-- needs: finding.process, main.block_io, main.cpu, unfiltered.io_groups
-- kept: window
-- only of: block_io
CREATE VIEW finding.limited_io(
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
blocked AS (
    SELECT process_key, SUM(waited_ns) / 1e9 AS blocked_s
    FROM main.cpu
    WHERE waited_for = 'disk'
    GROUP BY process_key
    HAVING SUM(waited_ns) >= 1e9
),
late AS (
    SELECT
        io_group, SUM(requests) AS requests, SUM(request_bytes) AS bytes, (SUM(service_ns) + SUM(queue_ns)) / 1e9 AS took_s
    FROM main.block_io
    WHERE submitted_by = 'limited' AND io_group IS NOT NULL
    GROUP BY io_group
),
own AS (
    SELECT process_key, io_group, SUM(requests) AS requests, (SUM(service_ns) + SUM(queue_ns)) / 1e9 AS took_s
    FROM main.block_io
    WHERE process_key.pid IS NOT NULL AND io_group IS NOT NULL
    GROUP BY process_key, io_group
    QUALIFY ROW_NUMBER() OVER (PARTITION BY process_key ORDER BY SUM(requests) DESC, io_group) = 1
),
facts AS (
    SELECT p.pid, p.start, p.alive_s, b.blocked_s, o.took_s, l.requests, l.bytes, l.took_s AS late_s, g.path, g.io_limits
    FROM blocked AS b
    JOIN own AS o ON o.process_key = b.process_key
    JOIN late AS l ON l.io_group = o.io_group
    JOIN finding.process AS p ON p.process_key = b.process_key
    LEFT JOIN unfiltered.io_groups AS g ON g.io_group = o.io_group
    WHERE l.requests > 0 AND o.took_s + l.took_s < 0.5 * b.blocked_s AND b.blocked_s >= 0.2 * p.alive_s
)
SELECT
    CASE WHEN blocked_s >= 0.5 * alive_s THEN 'high' ELSE 'medium' END,
    LEAST(1, blocked_s / NULLIF(alive_s, 0)),
    pid,
    start,
    NULL,
    FORMAT('was blocked on a disk for {:.1f} s, of which the disk took {:.3f} s: the I/O of its control group is limited', blocked_s, took_s + late_s),
    FORMAT(
        '{:,} requests of the group {}, {:.1f} MiB, were held back; the disk took {:.2f} ms for each', CAST(requests AS BIGINT),
        COALESCE(path, 'unknown'), bytes / 1048576, 1e3 * late_s / requests
    )
    || COALESCE('; its limits: ' || io_limits, ''),
    'blocked on a disk for 1 s and 20 % of its life, less than half of it by the disk',
    FORMAT('disk_io --pid {}', pid),
    'block_io, cpu'
FROM facts;
