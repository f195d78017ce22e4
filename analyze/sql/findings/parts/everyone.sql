-- What findings and the summary need of the view `processes`, computed once.
--
-- To put a process together takes most of the time of a small trace, and several answers need them.
--
-- needs: main.processes
CREATE VIEW finding.everyone(
    -- Process id (thread group id).
    pid,
    -- When it began, since boot [ns].
    start,
    -- Command name, last known.
    comm,
    -- Arguments of the program that it ran last, else its path, else its name in brackets; ends in ' ...' if cut.
    command,
    -- Parent's process id.
    ppid,
    -- `start` of that parent [ns].
    parent_start,
    -- When it began.
    started,
    -- When it ended; NULL if it was not seen to.
    ended,
    -- From its start to its end [ns].
    lifetime_ns,
    -- What it passed to exit(2), 0 to 255; NULL if a signal ended it.
    exit_code,
    -- The signal that ended it; NULL if it exited by itself.
    signal,
    -- Whether a core was dumped.
    core_dumped,
    -- CPU time that it used in the window [ns]; NULL if that was not counted for it.
    cpu_ns,
    -- System calls that it made in the window; NULL if that was not counted for it.
    syscalls,
    -- Whether it is the recorder itself.
    is_recorder
) AS
SELECT pid, start, comm, command, ppid, parent_start, started, ended, lifetime_ns, exit_code, signal, core_dumped, cpu_ns,
    syscalls, is_recorder
FROM main.processes;
