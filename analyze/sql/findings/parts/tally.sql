-- System calls of each process in the window: sums by process and call, without their percentiles.
--
-- Without percentiles: they take twice as long as all of this, and few calls need them.
--
-- needs: finding.call_name, main.syscall_stats, main.syscalls_in_flight
-- kept: window
CREATE VIEW finding.tally(
    -- Process id (thread group id).
    pid,
    -- Start time of the process, since boot [ns].
    start,
    -- The call's `place` in `call_name`.
    place,
    -- Calls issued: returned, never returning, and in flight at the end.
    calls,
    -- Calls that failed.
    errors,
    -- Calls that returned; NULL if none did.
    returned,
    -- Calls that never return, such as exit_group.
    no_return,
    -- Calls in flight at the start of the recording, its end, or both.
    in_flight,
    -- Calls that were in flight when it ended.
    at_end,
    -- Sum of the latencies of those that returned [ns].
    total_ns,
    -- Mean of these latencies [ns].
    mean_ns,
    -- The largest of them [ns].
    max_ns,
    -- Calls that took less than 20 us (exactly 20.48 us, a bucket's limit).
    under_20_us,
    -- Calls that took less than 1 ms (exactly 1.048576 ms).
    under_1_ms,
    -- Part of `total_ns` spent asleep, waiting for an event [ns]; NULL if not measured.
    slept_ns,
    -- Part of `total_ns` spent in uninterruptible sleep, such as for a disk [ns].
    disk_ns,
    -- Part of `total_ns` spent ready to run, waiting for a CPU [ns].
    runnable_ns
) AS
WITH
counted AS (
    SELECT s.pid, s.start, n.place,
        SUM(s.calls) AS calls,
        SUM(s.errors) AS errors,
        SUM(CASE WHEN s.bucket IS NOT NULL THEN s.calls END) AS returned,
        SUM(CASE WHEN s.bucket IS NOT NULL THEN s.total_ns END) AS total_ns,
        MAX(CASE WHEN s.bucket IS NOT NULL THEN s.max_ns END) AS max_ns,
        SUM(CASE WHEN s.bucket < 98 THEN CAST(s.calls AS DOUBLE PRECISION) END) AS under_20_us,
        SUM(CASE WHEN s.bucket < 144 THEN CAST(s.calls AS DOUBLE PRECISION) END) AS under_1_ms,
        SUM(TRY(s.blocked_ns - s.uninterruptible_ns)) AS slept_ns,
        SUM(s.uninterruptible_ns) AS disk_ns,
        SUM(s.runnable_ns) AS runnable_ns
    FROM main.syscall_stats AS s
    JOIN finding.call_name AS n ON n.nr IS NOT DISTINCT FROM s.nr AND n.abi IS NOT DISTINCT FROM s.abi
        AND n.syscall IS NOT DISTINCT FROM s.syscall
    GROUP BY s.pid, s.start, n.place
),
flights AS (
    SELECT f.pid, f.start, n.place,
        COUNT(*) AS in_flight,
        COUNT(CASE WHEN f.edge = 'end' THEN 1 END) AS at_end
    FROM main.syscalls_in_flight AS f
    JOIN finding.call_name AS n ON n.nr IS NOT DISTINCT FROM f.nr AND n.abi IS NOT DISTINCT FROM f.abi
        AND n.syscall IS NOT DISTINCT FROM f.syscall
    GROUP BY f.pid, f.start, n.place
)
SELECT
    COALESCE(c.pid, f.pid),
    COALESCE(c.start, f.start),
    COALESCE(c.place, f.place),
    TRY_CAST(COALESCE(c.calls, 0) + COALESCE(f.at_end, 0) AS BIGINT),
    TRY_CAST(COALESCE(c.errors, 0) AS BIGINT),
    TRY_CAST(c.returned AS BIGINT),
    TRY_CAST(COALESCE(c.calls, 0) - COALESCE(c.returned, 0) AS BIGINT),
    COALESCE(f.in_flight, 0),
    COALESCE(f.at_end, 0),
    TRY_CAST(c.total_ns AS BIGINT),
    CAST(c.total_ns AS DOUBLE PRECISION) / NULLIF(c.returned, 0),
    c.max_ns,
    COALESCE(c.under_20_us, 0),
    COALESCE(c.under_1_ms, 0),
    c.slept_ns,
    c.disk_ns,
    c.runnable_ns
FROM counted AS c
FULL JOIN flights AS f ON f.place = c.place AND f.pid IS NOT DISTINCT FROM c.pid AND f.start IS NOT DISTINCT FROM c.start;
