-- Requests to disks by process, disk and operation: how many, how large, how long they waited and took.
--
-- A request is what the disk gets, not a system call: the cache and the file system lie between. Requests that a process
-- makes while it runs are its own: reads, direct writes, and those of fsync(2) and the like. Dirty pages that the kernel
-- writes later are 'write-back', by the control group that dirtied them where the kernel knows it, and have no process.
-- Those of a loop device, and what they cause on the disk below, both count, each for its disk.
--
-- needs: main.block_io, main.disk_latencies, unfiltered.disk_names, unfiltered.io_groups, unfiltered.percentile_ns,
--    unfiltered.processes
CREATE VIEW report.disk_io(
    -- Process id (thread group id); NULL if none is known.
    pid,
    -- Last known command name; of requests without a process, who made them.
    comm,
    -- Path of the control group that the I/O is charged to; NULL if unknown.
    io_group,
    -- Name of the disk; its number if the name is unknown.
    disk,
    -- 'read', 'write', 'flush', 'discard', 'other', or 'flush wait': for the disk to empty its cache.
    operation,
    -- Requests that ended.
    requests,
    -- MiB in them [MiB].
    mib,
    -- Mean size [KiB].
    mean_kib,
    -- Mean time in the queue [us].
    queue_mean_us,
    -- 99th percentile of the time in the queue [us].
    queue_p99_us,
    -- Mean time of the device [us].
    service_mean_us,
    -- Median time of the device [us].
    service_p50_us,
    -- 99th percentile of the time of the device [us].
    service_p99_us,
    -- Longest time of the device [ms].
    service_max_ms,
    -- Sum of the times in the queue and of the device [s].
    total_s,
    -- Requests that ended with an error.
    failed,
    -- Times that the driver gave one back, as the device could take no more.
    requeues,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
totals AS (
    SELECT
        process_key, io_group, disk_device, operation, submitted_by,
        SUM(requests) AS requests, SUM(request_bytes) AS bytes, SUM(failed_requests) AS failed, SUM(requeues) AS requeues,
        SUM(service_ns) AS service_ns, MAX(max_service_ns) AS max_ns, SUM(queue_ns) AS queue_ns, SUM(queued) AS queued
    FROM main.block_io
    GROUP BY ALL
),
ranked AS (
    SELECT
        process_key, io_group, disk_device, operation, submitted_by, stage, middle_ns,
        SUM(SUM(requests)) OVER one AS n,
        SUM(SUM(requests)) OVER (one ORDER BY middle_ns ROWS UNBOUNDED PRECEDING) AS reached
    FROM main.disk_latencies
    WHERE middle_ns IS NOT NULL AND requests > 0
    GROUP BY process_key, io_group, disk_device, operation, submitted_by, stage, middle_ns
    WINDOW one AS (PARTITION BY process_key, io_group, disk_device, operation, submitted_by, stage)
),
percentiles AS (
    SELECT
        process_key, io_group, disk_device, operation, submitted_by, stage,
        unfiltered.percentile_ns(500, middle_ns, reached, n) AS p50_ns,
        unfiltered.percentile_ns(990, middle_ns, reached, n) AS p99_ns,
        MAX(n) AS n
    FROM ranked
    GROUP BY ALL
),
joined AS (
    SELECT t.*, q.p99_ns AS queue_p99_ns, s.p50_ns, s.p99_ns, s.n
    FROM totals AS t
    LEFT JOIN percentiles AS q ON q.stage = 'queue'
        AND (q.process_key, q.io_group, q.disk_device, q.operation, q.submitted_by)
        IS NOT DISTINCT FROM (t.process_key, t.io_group, t.disk_device, t.operation, t.submitted_by)
    LEFT JOIN percentiles AS s ON s.stage = 'service'
        AND (s.process_key, s.io_group, s.disk_device, s.operation, s.submitted_by)
        IS NOT DISTINCT FROM (t.process_key, t.io_group, t.disk_device, t.operation, t.submitted_by)
)
SELECT
    t.process_key.pid,
    COALESCE(
        p.comm,
        CASE
            WHEN t.submitted_by = 'limited' THEN '(limited group)'
            WHEN t.submitted_by IS NOT NULL THEN '(' || t.submitted_by || ')'
            WHEN t.process_key.pid = 0 THEN '(others)'
            ELSE '(before the recording)'
        END
    ),
    g.path,
    COALESCE(d.disk, CAST(t.disk_device AS VARCHAR)),
    t.operation,
    TRY_CAST(t.requests AS BIGINT),
    t.bytes / 1048576,
    t.bytes / 1024 / NULLIF(t.requests, 0),
    t.queue_ns / 1e3 / NULLIF(t.queued, 0),
    t.queue_p99_ns / 1e3,
    t.service_ns / 1e3 / NULLIF(t.n, 0),
    t.p50_ns / 1e3,
    t.p99_ns / 1e3,
    t.max_ns / 1e6,
    (t.queue_ns + t.service_ns) / 1e9,
    TRY_CAST(t.failed AS BIGINT),
    TRY_CAST(t.requeues AS BIGINT),
    t.process_key.start
FROM joined AS t
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
LEFT JOIN unfiltered.disk_names AS d ON d.disk_device = t.disk_device
LEFT JOIN unfiltered.io_groups AS g ON g.io_group = t.io_group
ORDER BY t.queue_ns + t.service_ns DESC NULLS LAST, t.process_key.pid NULLS LAST, t.process_key.start, t.disk_device,
    t.operation, t.submitted_by, t.io_group;
