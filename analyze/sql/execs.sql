-- Programs executed: who ran what, when.
--
-- One row for each successful execve(2), in order. Attempts that failed, as of a shell that looks for a program along
-- its PATH, are not recorded here; `syscalls` counts them as errors of execve.
CREATE VIEW report.execs(
    -- When the call succeeded.
    ts,
    -- Process id (thread group id).
    pid,
    -- Process id of the parent at that moment.
    ppid,
    -- Command name after the exec.
    comm,
    -- Path of the program, as it was passed; ends in ' ...' if cut.
    path,
    -- Arguments of the program, the name it was called by first; ends in ' ...' if cut.
    command,
    -- Real user id.
    uid,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start
) AS
SELECT
    ts,
    pid,
    ppid,
    comm,
    path || CASE WHEN path_truncated THEN ' ...' ELSE '' END,
    ARRAY_TO_STRING(argv, ' ') || CASE WHEN argv_truncated THEN ' ...' ELSE '' END,
    uid,
    start
FROM main.execs
ORDER BY ts, pid, start, tid, path;
