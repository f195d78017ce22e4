-- Time of threads, by what they did.
--
-- A thread is always in one state, so the time of each adds up to how long it lived in the window's intervals, whole
-- ones that end in it; see the view `thread_time`. What a call waited for is in its `state`.
--
-- needs: main.thread_time, unfiltered.processes
CREATE VIEW fact.time(
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
    -- What it did, such as 'running', 'runnable', 'lock' or 'disk', as in the report `wall_time`.
    state,
    -- System call in which it waited; NULL if it was in none.
    syscall,
    -- How long [ns].
    amount
) AS
SELECT p.pid, p.comm, p.command, p.parent_comm, p.uid, p.cgroup, f.tid, f.thread, f.state, f.syscall, f.ns
FROM main.thread_time AS f
LEFT JOIN unfiltered.processes AS p ON p.process_key = f.process_key;
