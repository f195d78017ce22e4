-- Disks: what each did, how busy it was, and how long requests waited and took.
--
-- Counts and bytes are the kernel's own statistics, of everything on the machine. Times are measured for each request:
-- in the queue until the driver has it, and then until its end. With a filter they are those of the recorded processes
-- only. Devices that pass their work on to others (`below`), and partitions, are listed too: what they do is also part
-- of what another device does, so add up only rows without `below` and `part_of`. A device mapper or md device has no
-- requests of its own, so no times. A time of the device includes what it waits for there: of a loop device, for the
-- file system with its file.
--
-- needs: finding.span, main.block_io, main.block_requests_in_flight, main.disk_latencies, main.disks,
--    unfiltered.disk_names, unfiltered.percentile_ns
CREATE VIEW report.disks(
    -- Name of the device; its number if the name is unknown.
    disk,
    -- Devices that it passes its work on to; NULL if none are known.
    below,
    -- For a partition, its disk; NULL for others.
    part_of,
    -- Reads that ended.
    reads,
    -- MiB read [MiB].
    read_mib,
    -- Writes that ended.
    writes,
    -- MiB written [MiB].
    write_mib,
    -- Orders to empty its own cache.
    flushes,
    -- Discards that ended.
    discards,
    -- Share of the window in which it had something to do [%].
    busy_pct,
    -- Most requests in flight at a snapshot.
    in_flight,
    -- Median time that a request waited in the queue [us].
    queue_p50_us,
    -- 99th percentile of that time [us].
    queue_p99_us,
    -- Median time that the device took for a read, write, flush or discard [us].
    service_p50_us,
    -- 99th percentile of that time [us].
    service_p99_us,
    -- The longest of these times [ms].
    service_max_ms,
    -- Age of the oldest request that was in flight at a snapshot [ms]; NULL if there was none.
    oldest_ms,
    -- Requests that ended with an error.
    failed,
    -- Share of the reads, writes and discards whose times were measured [%]. It is less than 100 with a filter, and if the
    -- kernel did not run the programs for some.
    measured_pct,
    -- MiB discarded [MiB].
    discard_mib,
    -- Path of a loop device's file; NULL for others.
    backing_file,
    -- Device number, as st_rdev of stat(2) has it.
    disk_device
) AS
WITH
counts AS (
    SELECT
        disk_device,
        SUM(disk_reads) AS reads, SUM(disk_read_bytes) AS read_bytes,
        SUM(disk_writes) AS writes, SUM(disk_write_bytes) AS write_bytes,
        SUM(disk_flushes) AS flushes, SUM(disk_discards) AS discards, SUM(disk_discard_bytes) AS discard_bytes,
        SUM(disk_busy_ns) AS busy_ns,
        MAX(disk_in_flight) AS in_flight
    FROM main.disks
    GROUP BY disk_device
),
ranked AS (
    SELECT
        disk_device, stage, middle_ns,
        SUM(SUM(requests)) OVER one AS n,
        SUM(SUM(requests)) OVER (one ORDER BY middle_ns ROWS UNBOUNDED PRECEDING) AS reached
    FROM main.disk_latencies
    WHERE middle_ns IS NOT NULL AND requests > 0 AND operation <> 'flush wait'
    GROUP BY disk_device, stage, middle_ns
    WINDOW one AS (PARTITION BY disk_device, stage)
),
percentiles AS (
    SELECT
        disk_device, stage,
        unfiltered.percentile_ns(500, middle_ns, reached, n) AS p50_ns,
        unfiltered.percentile_ns(990, middle_ns, reached, n) AS p99_ns
    FROM ranked
    GROUP BY disk_device, stage
),
measured AS (
    SELECT
        disk_device, MAX(max_service_ns) FILTER (operation <> 'flush wait') AS max_ns, SUM(failed_requests) AS failed,
        SUM(requests) FILTER (operation NOT IN ('flush', 'other')) AS requests
    FROM main.block_io
    GROUP BY disk_device
),
waiting AS (
    SELECT disk_device, MAX(oldest_ns) AS oldest_ns
    FROM main.block_requests_in_flight
    GROUP BY disk_device
),
every AS (
    SELECT disk_device FROM counts
    UNION SELECT disk_device FROM measured
    UNION SELECT disk_device FROM waiting
)
SELECT
    COALESCE(d.disk, CAST(e.disk_device AS VARCHAR)),
    d.below,
    d.part_of,
    TRY_CAST(c.reads AS BIGINT),
    c.read_bytes / 1048576,
    TRY_CAST(c.writes AS BIGINT),
    c.write_bytes / 1048576,
    TRY_CAST(c.flushes AS BIGINT),
    TRY_CAST(c.discards AS BIGINT),
    LEAST(100, 100 * c.busy_ns / NULLIF(s.counted_s * 1e9, 0)),
    c.in_flight,
    q.p50_ns / 1e3,
    q.p99_ns / 1e3,
    t.p50_ns / 1e3,
    t.p99_ns / 1e3,
    m.max_ns / 1e6,
    w.oldest_ns / 1e6,
    TRY_CAST(m.failed AS BIGINT),
    LEAST(100, 100 * m.requests / NULLIF(c.reads + c.writes + COALESCE(c.discards, 0), 0)),
    c.discard_bytes / 1048576,
    d.backing_file,
    e.disk_device
FROM every AS e
CROSS JOIN finding.span AS s
LEFT JOIN counts AS c ON c.disk_device = e.disk_device
LEFT JOIN unfiltered.disk_names AS d ON d.disk_device = e.disk_device
LEFT JOIN percentiles AS q ON q.disk_device = e.disk_device AND q.stage = 'queue'
LEFT JOIN percentiles AS t ON t.disk_device = e.disk_device AND t.stage = 'service'
LEFT JOIN measured AS m ON m.disk_device = e.disk_device
LEFT JOIN waiting AS w ON w.disk_device = e.disk_device
WHERE e.disk_device IS NOT NULL AND (c.reads + c.writes + c.flushes + c.discards + c.in_flight > 0 OR m.disk_device IS NOT NULL
    OR w.disk_device IS NOT NULL)
ORDER BY c.busy_ns DESC NULLS LAST, e.disk_device;
