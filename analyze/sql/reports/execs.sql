-- Programs executed: who ran what, and when.
--
-- One row per successful execve(2), in order. Failed attempts, such as a shell's search along PATH, are not recorded
-- here; `syscalls` counts them as errors of execve.
--
-- needs: main.execs
CREATE VIEW report.execs(
    -- When the call succeeded.
    ts,
    -- Process id (thread group id).
    pid,
    -- Process id of the parent at that moment.
    ppid,
    -- Command name after the exec.
    comm,
    -- Absolute path of the program: for a script its own, otherwise with symbolic links resolved; ends in ' ...' if
    -- cut. Starts with the mount namespace if it is not the recorder's.
    path,
    -- Arguments of the program, starting with the name it was called by; ends in ' ...' if cut.
    command,
    -- Its interpreter, if it is a script or runs through binfmt_misc.
    interpreter,
    -- Real user id.
    uid,
    -- Effective user id.
    euid,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
SELECT
    ts,
    pid,
    ppid,
    comm,
    program || CASE WHEN path_truncated THEN ' ...' ELSE '' END,
    ARRAY_TO_STRING(argv, ' ') || CASE WHEN argv_truncated THEN ' ...' ELSE '' END,
    interpreter,
    uid,
    euid,
    start
FROM main.execs
ORDER BY ts, pid, start, tid, program;
