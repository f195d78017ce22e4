-- Processes: when each lived, how it ended, and what it used.
--
-- Every process that existed in the window, in order of start. CPU time and system calls are those of the window.
-- The lifetime of a process that is still alive is NULL.
--
-- needs: main.processes
CREATE VIEW report.processes(
    -- Process id (thread group id).
    pid,
    -- Process id of its parent: the process that forked it or, if older than the recording, its parent when first
    -- seen.
    ppid,
    -- Last known command name.
    comm,
    -- When it began.
    started,
    -- When it ended; NULL if it was alive at the end of the recording, or its end was not recorded.
    ended,
    -- From its start to its end [s]; NULL if `ended` is.
    lifetime_s,
    -- Exit code, 0 to 255; NULL if a signal ended it.
    exit_code,
    -- Signal that ended it; NULL if it exited normally.
    signal,
    -- CPU time used [s]; NULL if not counted for it.
    cpu_s,
    -- System calls made; NULL if not counted for it.
    syscalls,
    -- Arguments of its last program, or its path, or its name in brackets; ends in ' ...' if cut.
    command,
    -- Last known real user id.
    uid,
    -- Whether a core was dumped.
    core_dumped,
    -- Whether it was alive at the start of the recording.
    alive_at_start,
    -- Whether it was alive at the end of the recording.
    alive_at_end,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start,
    -- Path of the control group that it was last seen in; NULL if unknown.
    cgroup,
    -- Process id in its own pid namespace; NULL if unknown.
    ns_pid
) AS
SELECT
    p.pid,
    p.ppid,
    p.comm,
    p.started,
    p.ended,
    p.lifetime_ns / 1e9,
    p.exit_code,
    p.signal,
    p.cpu_ns / 1e9,
    p.syscalls,
    p.command,
    p.uid,
    p.core_dumped,
    p.alive_at_start,
    p.alive_at_end,
    p.start,
    p.cgroup,
    p.ns_pid
FROM main.processes AS p
ORDER BY p.started NULLS LAST, p.start, p.pid;
