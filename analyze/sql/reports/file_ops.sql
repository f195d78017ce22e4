-- Files created, renamed, removed and changed: who did what, and when.
--
-- One row per call that returned, in order. For a symbolic link `path` is its target and `path2` the link. Calls of
-- 32-bit programs and io_uring operations are not seen.
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
    -- The absolute path, or the path as passed if that is unknown; ends in ' ...' if cut. Starts with the mount
    -- namespace if it is not the recorder's.
    path,
    -- The second path, in the same form, of calls that have two.
    path2,
    -- Name of the error; NULL on success.
    error,
    -- From the call's entry to its return [us].
    latency_us,
    -- Real user id.
    uid,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
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
