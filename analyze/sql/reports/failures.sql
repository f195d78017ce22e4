-- Processes that failed: that exited with another code than 0, or were ended by a signal.
--
-- Those that ended in the window, in the order of their ends. A code that is not 0 is a failure by convention only:
-- grep(1) exits with 1 where it finds nothing. CPU time is that of the window.
--
-- needs: main.processes, main.recording, unfiltered.signal_name
CREATE VIEW report.failures(
    -- Process id (thread group id).
    pid,
    -- Command name when it ended.
    comm,
    -- When it ended.
    ended,
    -- What it passed to exit(2), 1 to 255; NULL if a signal ended it.
    exit_code,
    -- The signal that ended it; NULL if it exited by itself.
    signal,
    -- Name of that signal, by the numbers that all architectures but Alpha, MIPS, PA-RISC and SPARC have.
    signal_name,
    -- Whether a core was dumped.
    core_dumped,
    -- From its start to its end [s].
    lifetime_s,
    -- CPU time used [s]; NULL if that was not counted for it.
    cpu_s,
    -- Command name of its parent, last known.
    parent_comm,
    -- Arguments of the program that it ran last, else its path, else its name in brackets; ends in ' ...' if cut.
    command,
    -- Process id of the parent that forked it or, if it is older than the recording, that it had when first seen.
    ppid,
    -- `start` of that parent [ns].
    parent_start,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start
) AS
SELECT
    p.pid,
    p.comm,
    p.ended,
    p.exit_code,
    p.signal,
    unfiltered.signal_name(p.signal),
    p.core_dumped,
    p.lifetime_ns / 1e9,
    p.cpu_ns / 1e9,
    p.parent_comm,
    p.command,
    p.ppid,
    p.parent_start,
    p.start
FROM main.processes AS p
CROSS JOIN main.recording AS r
WHERE (p.exit_code <> 0 OR p.signal IS NOT NULL)
    AND (r.until IS NULL OR p.ended < r.until)
ORDER BY p.ended, p.pid, p.start;
