-- Requests to disks by how long they took, as `block_io` has them.
--
-- Each request is counted twice: once by its time of the device, once by its time in the queue.
--
-- needs: main.block_io, unfiltered.bucket_high_ns, unfiltered.bucket_low_ns, unfiltered.bucket_middle_ns
CREATE VIEW disk_latencies(
    -- What identifies the process: a struct of `pid` and `start`; both NULL if there is none.
    process_key,
    -- Device number of the disk.
    disk_device,
    -- 'read', 'write', 'flush', 'discard', 'flush wait' or 'other'.
    operation,
    -- 'process', 'write-back', 'limited', 'worker' or 'device'; NULL if made before the recording.
    submitted_by,
    -- Id of the control group that the I/O is charged to; NULL if unknown.
    io_group,
    -- 'service' or 'queue'.
    stage,
    -- Middle of the bucket, but at most the longest of this row [ns]; NULL if the duration is unknown.
    middle_ns,
    -- Requests.
    requests
) AS
SELECT
    process_key, disk_device, operation, submitted_by, io_group, stage,
    unfiltered.bucket_middle_ns(
        unfiltered.bucket_low_ns(duration_bucket), unfiltered.bucket_high_ns(duration_bucket),
        GREATEST(max_service_ns, max_queue_ns)
    ),
    CASE stage WHEN 'queue' THEN queued ELSE requests END
FROM main.block_io;
