-- Files made, renamed, removed and changed: who did what, when.
--
-- One row for each call that returned, in order. For a symbolic link `path` is its text and `path2` the link itself. Not
-- seen: calls of 32-bit programs and what io_uring does.
--
-- needs: main.file_ops
CREATE VIEW report.file_ops(
    -- When the call returned.
    ts,
    -- Process id (thread group id).
    pid,
    -- Command name.
    comm,
    -- Name of the system call.
    syscall,
    -- The path from the root, or as it was passed if that is not known; ends in ' ...' if cut. In another mount
    -- namespace than the recorder's it begins with that.
    path,
    -- The second path, likewise, of a call that has two.
    path2,
    -- Name of the error; NULL: a success.
    error,
    -- From the call's entry to its return [us].
    latency_us,
    -- Real user id.
    uid,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start
) AS
SELECT
    ts,
    pid,
    comm,
    syscall,
    name || CASE WHEN path_truncated THEN ' ...' ELSE '' END,
    name2 || CASE WHEN path2_truncated THEN ' ...' ELSE '' END,
    error,
    latency_ns / 1e3,
    uid,
    start
FROM main.file_ops
ORDER BY ts, pid, start, tid, syscall, path NULLS LAST, path2 NULLS LAST, result, latency_ns;
