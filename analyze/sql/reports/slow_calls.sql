-- The slowest system calls, with their arguments (needs `record --syscalls`).
--
-- The 1,000 longest calls that returned; `syscall_events` has all. Calls that wait for an event (poll, futex,
-- nanosleep, wait4) are slow by nature.
--
-- needs: main.syscall_events, unfiltered.named_object, unfiltered.object_titles, unfiltered.processes
CREATE VIEW report.slow_calls(
    -- When the call was entered.
    ts,
    -- Process id (thread group id).
    pid,
    -- Last known command name of the process.
    comm,
    -- Thread id.
    tid,
    -- Name of the call; 'unknown' if there was no number.
    syscall,
    -- From its entry to its return [ms].
    latency_ms,
    -- What it returned.
    result,
    -- Name of the error in `result`; NULL on success.
    error,
    -- Its arguments as strace shows them. Memory is shown by its address, except paths and socket addresses.
    arguments,
    -- What its descriptor was: a path, 'pipe:[INODE]', the addresses of a socket, or another type; NULL if it has none.
    object,
    -- The same of its second descriptor, or of the one that it returned.
    object2
) AS
WITH slowest AS (
    SELECT *
    FROM main.syscall_events
    WHERE latency_ns IS NOT NULL
    ORDER BY latency_ns DESC, ts, pid, tid, start, nr, abi, syscall, result, error, arg1, arg2, arg3, arg4, arg5, arg6,
        string1, string2, sockaddr
    LIMIT 1000
)
SELECT
    s.ts,
    s.pid,
    p.comm,
    s.tid,
    COALESCE(s.syscall, 'syscall_' || CAST(s.nr AS VARCHAR), 'unknown'),
    s.latency_ns / 1e6,
    s.result,
    s.error,
    call_arguments(s.syscall, s.abi, s.arg1, s.arg2, s.arg3, s.arg4, s.arg5, s.arg6, s.string1, s.string2, s.sockaddr)
        AS arguments,
    COALESCE(a.name, unfiltered.named_object(s.object_type, s.object, s.object_device, NULL, NULL, NULL, NULL, NULL, NULL)) AS named,
    COALESCE(b.name, unfiltered.named_object(s.object2_type, s.object2, s.object2_device, NULL, NULL, NULL, NULL, NULL, NULL))
        AS named2
FROM slowest AS s
LEFT JOIN unfiltered.processes AS p ON p.process_key = s.process_key
LEFT JOIN unfiltered.object_titles AS a
    ON a.object = s.object
    AND a.device_or_0 = COALESCE(s.object_device, 0)
    AND a.since_ns <= EPOCH_NS(s.ts) + s.latency_ns
    AND COALESCE(a.until_ns > EPOCH_NS(s.ts) + s.latency_ns, TRUE)
LEFT JOIN unfiltered.object_titles AS b
    ON b.object = s.object2
    AND b.device_or_0 = COALESCE(s.object2_device, 0)
    AND b.since_ns <= EPOCH_NS(s.ts) + s.latency_ns
    AND COALESCE(b.until_ns > EPOCH_NS(s.ts) + s.latency_ns, TRUE)
ORDER BY s.latency_ns DESC, s.ts, s.pid, s.tid, s.start, s.nr, s.abi, s.syscall, s.result, s.error, arguments, named NULLS LAST, named2 NULLS LAST;
