-- System calls that an end of the recording cut, longest first.
--
-- What a process was waiting in when the recording began or ended. How long such a call took in all is not known: it
-- was at least the part that lies in the recording.
--
-- needs: main.syscalls_in_flight
CREATE VIEW report.syscalls_in_flight(
    -- Process id (thread group id).
    pid,
    -- Command name of the thread.
    comm,
    -- Thread id.
    tid,
    -- Name of the call: 'syscall_N' if number N has none, 'unknown' if there was no number.
    syscall,
    -- The end of the recording that cut it: 'start', 'end', or 'both'.
    edge,
    -- How much of the call lies in the recording [s].
    elapsed_s,
    -- The table of system calls that the number is from, such as 'x86_64'.
    abi,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start
) AS
SELECT
    pid,
    comm,
    tid,
    COALESCE(syscall, 'syscall_' || CAST(nr AS VARCHAR), 'unknown'),
    edge,
    elapsed_ns / 1e9,
    abi,
    start
FROM main.syscalls_in_flight
ORDER BY elapsed_ns DESC NULLS LAST, pid, start, tid, edge, abi, nr, ts;
