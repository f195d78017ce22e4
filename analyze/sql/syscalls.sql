-- System calls: how often each was made, how often it failed, and how long it took.
--
-- Over all processes, by name and table of calls. Latency is wall time from entry to return, waiting included, so a
-- sleep counts as much as work. It covers calls that returned; percentiles are within 6.25 % of the true value.
-- A call that was in flight when the recording began is in `in_flight` only.
CREATE VIEW report.syscalls(
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
    abi
) AS
SELECT
    syscall,
    calls,
    errors,
    total_ns / 1e9,
    mean_ns / 1e3,
    p50_ns / 1e3,
    p90_ns / 1e3,
    p99_ns / 1e3,
    max_ns / 1e3,
    no_return,
    in_flight,
    abi
FROM main.syscall_summary
WHERE NOT of_process
ORDER BY total_ns DESC NULLS LAST, calls DESC NULLS LAST, syscall, abi NULLS LAST;
