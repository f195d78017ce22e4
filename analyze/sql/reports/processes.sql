-- Processes: when each lived, how it ended, and what it used.
--
-- Every process that was there in the window, in the order of their start. CPU time and system calls are those of the
-- window. How long a process that is still alive will live is not known, so its lifetime is NULL.
--
-- needs: main.processes
CREATE VIEW report.processes(
    -- Process id (thread group id).
    pid,
    -- Process id of the parent that forked it or, if it is older than the recording, that it had when first seen.
    ppid,
    -- Command name, last known.
    comm,
    -- When it began.
    started,
    -- When it ended; NULL while it lives at the end of the recording, or if its end was not recorded.
    ended,
    -- From its start to its end [s]; NULL if `ended` is.
    lifetime_s,
    -- What it passed to exit(2), 0 to 255; NULL if a signal ended it.
    exit_code,
    -- The signal that ended it; NULL if it exited by itself.
    signal,
    -- CPU time used [s]; NULL if that was not counted for it.
    cpu_s,
    -- System calls made; NULL if that was not counted for it.
    syscalls,
    -- Arguments of the program that it ran last, else its path, else its name in brackets; ends in ' ...' if cut.
    command,
    -- Real user id, last known.
    uid,
    -- Whether a core was dumped.
    core_dumped,
    -- Whether it was alive when the recording began.
    alive_at_start,
    -- Whether it was alive when the recording ended.
    alive_at_end,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start,
    -- Path of the control group that it was last seen in; NULL if not known.
    cgroup,
    -- Process id in its own pid namespace, as it sees itself; NULL if not known.
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
