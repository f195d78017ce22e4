-- The columns of the view `processes` that findings and the summary need, computed once.
--
-- Assembling processes takes most of the time for a small trace, and several answers need them.
--
-- needs: main.processes
CREATE VIEW finding.everyone(
    -- Process id (thread group id).
    pid,
    -- When it began, since boot [ns].
    start,
    -- Last known command name.
    comm,
    -- Arguments of its last program, or its path, or its name in brackets; ends in ' ...' if cut.
    command,
    -- Parent's process id.
    ppid,
    -- `start` of that parent [ns].
    parent_start,
    -- When it began.
    started,
    -- When it ended; NULL if its end was not recorded.
    ended,
    -- From its start to its end [ns].
    lifetime_ns,
    -- Exit code, 0 to 255; NULL if a signal ended it.
    exit_code,
    -- Signal that ended it; NULL if it exited normally.
    signal,
    -- Whether a core was dumped.
    core_dumped,
    -- CPU time that it used in the window [ns]; NULL if not counted for it.
    cpu_ns,
    -- System calls that it made in the window; NULL if not counted for it.
    syscalls,
    -- Whether it is the recorder itself.
    is_recorder,
    -- What identifies the process: a struct of `pid` and `start`.
    process_key,
    -- `process_key` of that parent; NULL if `parent_start` is.
    parent_key
) AS
SELECT pid, start, comm, command, ppid, parent_start, started, ended, lifetime_ns, exit_code, signal, core_dumped, cpu_ns,
    syscalls, is_recorder, process_key, parent_key
FROM main.processes;
