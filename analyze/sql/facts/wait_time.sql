-- Time of waits that ended, by what was waited for and who ended them.
--
-- Those of the reports `wakers` and `wait_objects`; waits that go on, and waiting for a CPU, are in the measure `time`.
-- Needs `record --with waits`.
--
-- needs: main.ended_waits, unfiltered.processes
CREATE VIEW fact.wait_time(
    -- Process id (thread group id).
    pid,
    -- Last known command name of the process.
    comm,
    -- Command line as a shell takes it.
    command,
    -- Name of the parent process.
    parent,
    -- Real user id.
    uid,
    -- Control group.
    cgroup,
    -- Thread id.
    tid,
    -- Name of the thread.
    thread,
    -- What it waited for, such as 'lock' or 'disk'.
    state,
    -- System call in which it waited; NULL if it was in none.
    syscall,
    -- The file, pipe, remote address or lock; NULL if the call names none.
    object,
    -- Who ended the wait: 'NAME (PID)', 'thread NAME (TID)', 'interrupt: timer' or another, 'unknown'.
    waker,
    -- The process at the other end: the waker, or for data over a network that with the ports of the peer.
    peer,
    -- How long [ns].
    amount
) AS
SELECT
    p.pid, p.comm, p.command, p.parent_comm, p.uid, p.cgroup, f.tid, f.thread, f.waited_for, f.syscall, f.object,
    f.waker,
    FORMAT('{} ({})', COALESCE(q.comm, '?'), f.waker_key.pid),
    f.ns
FROM main.ended_waits AS f
LEFT JOIN unfiltered.processes AS p ON p.process_key = f.process_key
LEFT JOIN unfiltered.processes AS q ON q.process_key = f.waker_key;
