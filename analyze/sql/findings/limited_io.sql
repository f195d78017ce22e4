-- A process that waits for a disk because the I/O of its control group is limited.
--
-- It was blocked on a disk for 1 s or more and 20 % of its life in the window, its own requests took less than half of
-- that, in the queue and by the device, and the kernel held back others of its control group (`io.max`,
-- `blkio.throttle`): those were passed on late by a worker. High from 50 % on. The disk itself may be fast. The group of a
-- process is known by requests of its own that were not held back, and in version 2 by the group that it is in. If all were
-- held back, version 1 does not say whose they were: the finding is then about the group, and lists the processes that
-- were blocked on a disk for as long with no requests of their own. It is medium.
--
-- needs: everyone.block_io, finding.process, main.cpu, unfiltered.io_groups, unfiltered.processes
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
        io_group, SUM(requests) AS requests, SUM(request_bytes) AS bytes,
        (SUM(service_ns) + SUM(queue_ns)) / 1e9 AS took_s
    FROM everyone.block_io
    WHERE submitted_by = 'limited' AND io_group IS NOT NULL
    GROUP BY io_group
    HAVING SUM(requests) > 0
),
own AS (
    SELECT process_key, io_group, SUM(requests) AS requests, (SUM(service_ns) + SUM(queue_ns)) / 1e9 AS took_s
    FROM everyone.block_io
    WHERE process_key.pid IS NOT NULL
    GROUP BY process_key, io_group
),
-- In version 2 the requests of a process are charged to the nearest group, from its own upwards, with the controller.
homes AS (
    SELECT p.process_key, l.io_group, 0 AS requests
    FROM late AS l
    JOIN unfiltered.io_groups AS g ON g.io_group = l.io_group AND g.hierarchy = 'unified'
    JOIN unfiltered.processes AS p ON p.cgroup = g.path OR STARTS_WITH(p.cgroup, RTRIM(g.path, '/') || '/')
    QUALIFY ROW_NUMBER() OVER (PARTITION BY p.process_key ORDER BY LENGTH(g.path) DESC, l.io_group) = 1
),
members AS (
    SELECT process_key, io_group
    FROM (SELECT process_key, io_group, requests FROM own UNION ALL FROM homes)
    WHERE io_group IN (SELECT io_group FROM late)
    QUALIFY ROW_NUMBER() OVER (PARTITION BY process_key ORDER BY requests DESC, io_group) = 1
),
held_up AS (
    SELECT
        b.process_key, p.pid, p.start, p.comm, p.alive_s, b.blocked_s, m.io_group,
        COUNT(o.process_key) > 0 AS has_requests, COALESCE(SUM(o.took_s), 0) AS took_s
    FROM blocked AS b
    JOIN finding.process AS p ON p.process_key = b.process_key
    LEFT JOIN members AS m ON m.process_key = b.process_key
    LEFT JOIN own AS o ON o.process_key = b.process_key
    WHERE b.blocked_s >= 0.2 * p.alive_s
    GROUP BY ALL
),
facts AS (
    SELECT h.*, l.took_s AS late_s
    FROM held_up AS h
    JOIN late AS l ON l.io_group = h.io_group
    WHERE h.took_s + l.took_s < 0.5 * h.blocked_s
),
-- Groups of which no process is known, and who may be in them.
unknown AS (
    SELECT
        l.io_group, MAX(h.blocked_s / NULLIF(h.alive_s, 0)) AS share,
        STRING_AGG(
            FORMAT('{} ({}) {:.1f} s', COALESCE(h.comm, '?'), h.pid, h.blocked_s), ', '
            ORDER BY h.blocked_s DESC, h.pid, h.start
        ) AS names
    FROM late AS l
    JOIN held_up AS h ON NOT h.has_requests AND h.io_group IS NULL AND l.took_s < 0.5 * h.blocked_s
    WHERE l.io_group NOT IN (SELECT io_group FROM members)
    GROUP BY l.io_group
),
groups AS (
    SELECT
        l.io_group, COALESCE(g.path, 'unknown') AS path,
        FORMAT(
            '{:,} requests of the group {}, {:.1f} MiB, were held back; the disk took {:.2f} ms for each',
            CAST(l.requests AS BIGINT), COALESCE(g.path, 'unknown'), l.bytes / 1048576, 1e3 * l.took_s / l.requests
        )
        || COALESCE('; its limits: ' || g.io_limits, '') AS evidence
    FROM late AS l
    LEFT JOIN unfiltered.io_groups AS g ON g.io_group = l.io_group
)
SELECT
    CASE WHEN f.blocked_s >= 0.5 * f.alive_s THEN 'high' ELSE 'medium' END,
    LEAST(1, f.blocked_s / NULLIF(f.alive_s, 0)),
    f.pid,
    f.start,
    NULL,
    FORMAT(
        'was blocked on a disk for {:.1f} s, of which the disk took {:.3f} s: the I/O of its control group is limited',
        f.blocked_s, f.took_s + f.late_s
    ),
    g.evidence,
    'blocked on a disk for 1 s and 20 % of its life, less than half of it by the disk',
    FORMAT('disk_io --pid {}', f.pid),
    'block_io, cpu'
FROM facts AS f
JOIN groups AS g ON g.io_group = f.io_group
UNION ALL
SELECT
    'medium',
    LEAST(1, u.share),
    NULL,
    NULL,
    'the control group ' || g.path,
    'has limited I/O: all its requests were held back',
    g.evidence || '; blocked on a disk without requests of their own: ' || u.names,
    'blocked on a disk for 1 s and 20 % of its life, less than half of it by the disk',
    'disk_io',
    'block_io, cpu'
FROM unknown AS u
JOIN groups AS g ON g.io_group = u.io_group;
