-- Every process that existed in the window, with what it used and called in the window.
--
-- One row per (pid, start). Processes that began and ended outside the window are left out. CPU time and system
-- calls are counted per snapshot, so a window covers the snapshots inside it.
--
-- needs: main.cpu, main.recording, main.syscalls_in_flight, unfiltered.process_states, unfiltered.selected, windowed.callers
-- kept: window
CREATE VIEW processes(
    -- Process id (thread group id).
    pid,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start,
    -- Parent's process id: the process that forked it or, if older than the recording, its parent when first seen.
    ppid,
    -- `start` of that parent [ns].
    parent_start,
    -- Last known command name of that parent.
    parent_comm,
    -- Last known real user id.
    uid,
    -- Last known command name.
    comm,
    -- Its last program, as `program` of the view `execs`; for a script that was already running when the recording
    -- began, its interpreter; NULL if it never called execve.
    path,
    -- Arguments of that program.
    argv,
    -- Whether `argv` was truncated.
    argv_truncated,
    -- Arguments of its last program, or its path, or its name in brackets; ends in ' ...' if cut.
    command,
    -- When it began: exact if its fork was recorded, otherwise `start` as wall clock time.
    started,
    -- When it ended; NULL if it was alive at the end of the recording, or its end was not recorded.
    ended,
    -- From its start to its end [ns]; NULL if `ended` is.
    lifetime_ns,
    -- Exit code, 0 to 255; NULL if a signal ended it.
    exit_code,
    -- Signal that ended it; NULL if it exited normally.
    signal,
    -- Whether a core was dumped.
    core_dumped,
    -- CPU time that it used in the window [ns]; NULL if not counted for it.
    cpu_ns,
    -- System calls it made in the window, including those in flight at the end; NULL if not counted for it.
    syscalls,
    -- Whether it was alive at the start of the recording.
    alive_at_start,
    -- Whether it was alive at the end of the recording.
    alive_at_end,
    -- Whether it is a kernel thread; NULL if it was alive neither at the start nor at the end.
    kernel_thread,
    -- Whether it is the recorder itself.
    is_recorder,
    -- Id of the control group that it was last seen in, in the unified hierarchy.
    cgroup_id,
    -- Path of that group; NULL if its name is unknown.
    cgroup,
    -- Process id in its own pid namespace; differs from `pid` in a container.
    ns_pid,
    -- What identifies the process: a struct of `pid` and `start`.
    process_key,
    -- `process_key` of that parent; NULL if `parent_start` is.
    parent_key
) AS
WITH
cpu_by_process AS (
    SELECT process_key, SUM(oncpu_ns) AS cpu_ns
    FROM main.cpu
    GROUP BY process_key
),
calls AS (
    SELECT process_key, calls FROM windowed.callers
    UNION ALL
    SELECT process_key, 1 FROM main.syscalls_in_flight WHERE edge = 'end'
),
calls_by_process AS (
    SELECT process_key, SUM(calls) AS calls
    FROM calls
    GROUP BY process_key
)
SELECT
    p.pid,
    p.start,
    p.ppid,
    p.parent_start,
    p.parent_comm,
    p.uid,
    p.comm,
    p.path,
    p.argv,
    p.argv_truncated,
    p.command,
    p.started,
    p.ended,
    p.lifetime_ns,
    p.exit_code,
    p.signal,
    p.core_dumped,
    TRY_CAST(COALESCE(c.cpu_ns, CASE WHEN r.cpu_complete THEN 0 END) AS BIGINT),
    TRY_CAST(COALESCE(s.calls, CASE WHEN r.syscalls_complete THEN 0 END) AS BIGINT),
    p.alive_at_start,
    p.alive_at_end,
    p.kernel_thread,
    p.is_recorder,
    p.cgroup_id,
    p.cgroup,
    p.ns_pid,
    p.process_key,
    p.parent_key
FROM unfiltered.selected AS p
CROSS JOIN main.recording AS r
LEFT JOIN cpu_by_process AS c ON c.process_key = p.process_key
LEFT JOIN calls_by_process AS s ON s.process_key = p.process_key
WHERE p.process_key NOT IN (SELECT process_key FROM unfiltered.process_states WHERE edge = 'neither')
    AND (r.since IS NULL OR p.ended IS NULL OR p.ended >= r.since)
    AND (r.until IS NULL OR p.started IS NULL OR p.started < r.until);
