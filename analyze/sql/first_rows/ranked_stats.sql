-- Histogram cells of system calls by process, only for the first rows of the report `syscalls_by_process`.
--
-- As many rows as the variable `first_rows` says, in the order of that report. Replaces the view of all cells.
--
-- needs: finding.call_name, finding.tally, main.syscall_stats, unfiltered.is_bucket
CREATE VIEW finding.ranked_stats(
    -- Process id (thread group id).
    pid,
    -- Start time of the process, since boot [ns].
    start,
    -- The call's `place` in `call_name`.
    place,
    -- Number of the latency bucket.
    bucket,
    -- Calls.
    calls,
    -- The largest latency [ns].
    max_ns
) AS
WITH first_rows AS (
    SELECT pid, start, place
    FROM finding.tally
    ORDER BY total_ns DESC NULLS LAST, calls DESC NULLS LAST, pid, start, place
    LIMIT getvariable('first_rows')
)
SELECT s.pid, s.start, n.place, s.bucket, s.calls, s.max_ns
FROM main.syscall_stats AS s
JOIN finding.call_name AS n ON n.nr IS NOT DISTINCT FROM s.nr AND n.abi IS NOT DISTINCT FROM s.abi
    AND n.syscall IS NOT DISTINCT FROM s.syscall
JOIN first_rows AS f ON f.place = n.place AND f.pid IS NOT DISTINCT FROM s.pid AND f.start IS NOT DISTINCT FROM s.start
WHERE unfiltered.is_bucket(s.bucket);
