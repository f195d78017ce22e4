-- Histogram cells of system calls by process, for percentiles: all of the window.
--
-- If only the first rows of a report are shown, a view of only their cells replaces this one for that query.
--
-- needs: finding.call_name, main.syscall_stats, unfiltered.is_bucket
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
SELECT s.pid, s.start, n.place, s.bucket, s.calls, s.max_ns
FROM main.syscall_stats AS s
JOIN finding.call_name AS n ON n.nr IS NOT DISTINCT FROM s.nr AND n.abi IS NOT DISTINCT FROM s.abi
    AND n.syscall IS NOT DISTINCT FROM s.syscall
WHERE unfiltered.is_bucket(s.bucket);
