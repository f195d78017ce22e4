-- What the reports on system calls add up: each row of `syscall_latencies`, and each call that an end of the recording cut.
--
-- A call is in exactly one row. What a row does not say of its calls is NULL in it.
CREATE VIEW syscall_cells(
    -- Process id (thread group id).
    pid,
    -- When the process began, since boot, rounded down to 10 ms [ns].
    start,
    -- The table of system calls that the number is from, such as 'x86_64'.
    abi,
    -- Name of the call: 'syscall_N' if number N has none, 'unknown' if there was no number.
    syscall,
    -- Smallest latency of the bucket [ns]; NULL if the calls have none.
    low_ns,
    -- Smallest latency of the next bucket [ns].
    high_ns,
    -- Calls issued in the recording: a call that was in flight when it began is none.
    calls,
    -- Calls among them whose result was an error.
    errors,
    -- Calls among them that returned.
    returned,
    -- Sum of the latencies [ns].
    total_ns,
    -- Largest latency [ns].
    max_ns,
    -- Calls among `calls` that will never return, as exit_group.
    no_return,
    -- Calls that an end of the recording cut: in flight when it began, when it ended, or both.
    in_flight
) AS
SELECT pid, start, abi, syscall, low_ns, high_ns, calls, errors,
    CASE WHEN returned THEN calls END,
    CASE WHEN returned THEN total_ns END,
    CASE WHEN returned THEN max_ns END,
    CASE WHEN returned THEN 0 ELSE calls END,
    0
FROM main.syscall_latencies
UNION ALL
SELECT pid, start, abi, COALESCE(syscall, 'syscall_' || CAST(nr AS VARCHAR), 'unknown'), NULL, NULL,
    CASE WHEN edge = 'end' THEN 1 ELSE 0 END, 0, NULL, NULL, NULL, 0, 1
FROM main.syscalls_in_flight;
