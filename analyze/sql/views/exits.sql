-- The end of a process, which is the end of its last thread, and what it had used by then.
--
-- The totals are of the whole recording, also when a window was asked for, and of no time before the recording.
--
-- needs: main.recording, unfiltered.callers, unfiltered.cpu, windowed.exits
CREATE VIEW exits(
    -- When it happened.
    ts,
    -- Process id (thread group id).
    pid,
    -- Command name when it ended.
    comm,
    -- What the process passed to exit(2), 0 to 255; NULL if a signal ended it.
    exit_code,
    -- The signal that ended the process; NULL if it exited by itself.
    signal,
    -- From the process's start to its end [ns].
    lifetime_ns,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start,
    -- Process id of the parent when it ended.
    ppid,
    -- Real user id.
    uid,
    -- Whether the kernel marked that a core was dumped.
    core_dumped,
    -- CPU time that it used in the recording [ns]; NULL if that was not counted for it.
    cpu_ns,
    -- System calls that it made in the recording; NULL if that was not counted for it.
    syscalls,
    -- The most resident memory that it had had since its last exec [bytes]; NULL if the kernel does not say.
    peak_rss_bytes,
    -- Id of the control group that it was in when it ended; NULL if not known.
    cgroup_id
) AS
WITH
cpu_by_process AS (
    SELECT pid, start, SUM(oncpu_ns) AS cpu_ns
    FROM unfiltered.cpu
    GROUP BY pid, start
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
    e.cgroup_id
FROM windowed.exits AS e
CROSS JOIN main.recording AS r
LEFT JOIN cpu_by_process AS c ON c.pid = e.pid AND c.start IS NOT DISTINCT FROM e.start
LEFT JOIN unfiltered.callers AS s ON s.pid = e.pid AND s.start IS NOT DISTINCT FROM e.start;
