-- System calls of each process: how often, with what success, and how long.
--
-- As the report `syscalls`, for each process apart. A pid that was used again is two processes.
CREATE VIEW report.syscalls_by_process(
    -- Process id (thread group id).
    pid,
    -- Command name, last known.
    comm,
    -- Name of the call: 'syscall_N' if number N has none, 'unknown' if there was no number.
    syscall,
    -- Calls issued: those that returned, those that will never return, and those in flight at the end.
    calls,
    -- Calls whose result was an error.
    errors,
    -- Sum of the latencies [s].
    total_s,
    -- Mean latency [us].
    mean_us,
    -- Median latency [us].
    p50_us,
    -- 90th percentile of latency [us].
    p90_us,
    -- 99th percentile of latency [us].
    p99_us,
    -- Largest latency [us].
    max_us,
    -- Calls among `calls` that will never return, as exit_group.
    no_return,
    -- Calls that were in flight when the recording began, when it ended, or both.
    in_flight,
    -- The table of system calls that the number is from, such as 'x86_64'.
    abi,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start
) AS
SELECT
    s.pid,
    p.comm,
    s.syscall,
    s.calls,
    s.errors,
    s.total_ns / 1e9,
    s.mean_ns / 1e3,
    s.p50_ns / 1e3,
    s.p90_ns / 1e3,
    s.p99_ns / 1e3,
    s.max_ns / 1e3,
    s.no_return,
    s.in_flight,
    s.abi,
    s.start
FROM main.syscall_summary AS s
LEFT JOIN unfiltered.processes AS p ON p.pid = s.pid AND p.start IS NOT DISTINCT FROM s.start
WHERE s.of_process
ORDER BY s.total_ns DESC NULLS LAST, s.calls DESC NULLS LAST, s.pid, s.start, s.syscall, s.abi NULLS LAST;
