-- Processes that failed: a non-zero exit code, or killed by a signal.
--
-- Processes that ended in the window, in order of their ends. A non-zero code means failure only by convention:
-- grep(1) exits with 1 if it finds nothing. CPU time is that of the window.
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
    -- Signal that ended it; NULL if it exited normally.
    signal,
    -- Name of that signal, by the numbers that all architectures but Alpha, MIPS, PA-RISC and SPARC have.
    signal_name,
    -- Whether a core was dumped.
    core_dumped,
    -- From its start to its end [s].
    lifetime_s,
    -- CPU time used [s]; NULL if not counted for it.
    cpu_s,
    -- Last known command name of its parent.
    parent_comm,
    -- Arguments of its last program, or its path, or its name in brackets; ends in ' ...' if cut.
    command,
    -- Process id of its parent: the process that forked it or, if older than the recording, its parent when first
    -- seen.
    ppid,
    -- `start` of that parent [ns].
    parent_start,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
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
