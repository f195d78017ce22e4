-- System calls in flight at the start or end of the recording, longest first.
--
-- What each process was waiting in when the recording started or ended. The total duration of such a call is
-- unknown: it is at least the part inside the recording.
--
-- needs: main.syscalls_in_flight
CREATE VIEW report.syscalls_in_flight(
    -- Process id (thread group id).
    pid,
    -- Command name of the thread.
    comm,
    -- Thread id.
    tid,
    -- Name of the call; 'syscall_N' if number N has no name, 'unknown' if the number is unknown.
    syscall,
    -- Which edge of the recording cut it: 'start', 'end', or 'both'.
    edge,
    -- Part of the call that is inside the recording [s].
    elapsed_s,
    -- System call table of the number, such as 'x86_64'.
    abi,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
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
