-- The end of a process, which is the end of its last thread, and what it had used by then.
--
-- The totals are for the whole recording even if a window is selected, and exclude the time before the recording.
--
-- needs: main.recording, unfiltered.callers, unfiltered.cpu, windowed.exits
CREATE VIEW exits(
    -- When it happened.
    ts,
    -- Process id (thread group id).
    pid,
    -- Command name when it ended.
    comm,
    -- Exit code, 0 to 255; NULL if a signal ended it.
    exit_code,
    -- Signal that ended the process; NULL if it exited normally.
    signal,
    -- From the process's start to its end [ns].
    lifetime_ns,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start,
    -- Process id of the parent when it ended.
    ppid,
    -- Real user id.
    uid,
    -- Whether a core was dumped, according to the kernel.
    core_dumped,
    -- CPU time that it used in the recording [ns]; NULL if not counted for it.
    cpu_ns,
    -- System calls that it made in the recording; NULL if not counted for it.
    syscalls,
    -- Peak resident memory since its last exec [bytes]; NULL if the kernel does not report it.
    peak_rss_bytes,
    -- Id of the control group that it was in when it ended; NULL if unknown.
    cgroup_id,
    -- What identifies the process: a struct of `pid` and `start`.
    process_key
) AS
WITH
cpu_by_process AS (
    SELECT process_key, SUM(oncpu_ns) AS cpu_ns
    FROM unfiltered.cpu
    GROUP BY process_key
)
SELECT
    e.ts,
    e.pid,
    e.comm,
    e.exit_code,
    e.signal,
    e.lifetime_ns,
    e.start,
    e.ppid,
    e.uid,
    e.core_dumped,
    TRY_CAST(COALESCE(c.cpu_ns, CASE WHEN r.cpu_complete THEN 0 END) AS BIGINT),
    TRY_CAST(COALESCE(s.calls, CASE WHEN r.syscalls_complete THEN 0 END) AS BIGINT),
    e.peak_rss_bytes,
    e.cgroup_id,
    e.process_key
FROM windowed.exits AS e
CROSS JOIN main.recording AS r
LEFT JOIN cpu_by_process AS c ON c.process_key = e.process_key
LEFT JOIN unfiltered.callers AS s ON s.process_key = e.process_key;
