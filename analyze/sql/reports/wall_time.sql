-- Where the time of each process went: on a CPU, ready to run, or waiting for what.
--
-- A thread is always in one state, so the columns add up to `wall_s`. 8 threads that live for a second have 8 s.
-- What a thread waited for is inferred from its system call and that call's file; see `waited_for` of the view `cpu`.
-- The report `waits` has the system calls.
--
-- Empty for traces recorded by older versions.
--
-- needs: main.thread_time, unfiltered.processes
CREATE VIEW report.wall_time(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- Threads that were seen.
    threads,
    -- Time that its threads lived in the intervals between snapshots that end in the window [s].
    wall_s,
    -- The states that took most of it, up to three of those with 1 % and more.
    mostly,
    -- Ran [s].
    running_s,
    -- Part of `running_s` in user mode [s], estimated from the kernel's samples, one per tick; NULL if it was
    -- never sampled.
    user_s,
    -- The same in the kernel.
    system_s,
    -- Had a CPU that the hypervisor or an interrupt took [s].
    stolen_s,
    -- Was ready to run, without a CPU [s].
    runnable_s,
    -- Was kept off the CPU by the quota of its control group [s].
    throttled_s,
    -- Waited for a lock: futex(2), flock(2), fcntl(2), semop(2) [s].
    lock_s,
    -- Waited for a disk or a file system [s].
    disk_s,
    -- Waited for a socket of IPv4 or IPv6 [s].
    network_s,
    -- Waited for a pipe, a Unix socket or a message queue [s].
    pipe_s,
    -- Waited for memory, outside of any system call [s].
    page_fault_s,
    -- Waited inside the kernel for none of these, such as for the lock of an address space [s].
    kernel_wait_s,
    -- Waited for a child process [s].
    child_s,
    -- Waited in poll(2), select(2), epoll_wait(2) or io_uring_enter(2) [s].
    poll_s,
    -- Waited for an eventfd, a timerfd, a signalfd or inotify [s].
    event_s,
    -- Waited for a character device, such as a terminal [s].
    device_s,
    -- Slept until a time or a signal [s].
    sleep_s,
    -- Waited for work, as threads of the kernel and workers of io_uring do [s].
    idle_s,
    -- Was stopped by a signal, a debugger or the freezer [s].
    stopped_s,
    -- Waited for anything else [s].
    other_s,
    -- Was off the CPU before it was first seen, and it is unknown why [s].
    unknown_s,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
by_thread AS MATERIALIZED (
    SELECT process_key, tid, state, SUM(ns) AS ns, SUM(user_ns) AS user_ns, SUM(system_ns) AS system_ns
    FROM main.thread_time
    GROUP BY process_key, tid, state
),
times AS (
    SELECT
        process_key, COALESCE(state, 'unknown') AS spent,
        SUM(ns) AS ns,
        SUM(SUM(ns)) OVER (PARTITION BY process_key) AS wall_ns,
        SUM(user_ns) AS user_ns,
        SUM(system_ns) AS system_ns
    FROM by_thread
    GROUP BY process_key, state
),
totals AS (
    SELECT
        process_key,
        SUM(ns) AS wall_ns,
        ARRAY_TO_STRING((ARRAY_AGG(spent ORDER BY ns DESC, spent) FILTER (WHERE ns >= 0.01 * wall_ns))[:3], ', ') AS mostly,
        SUM(user_ns) AS user_ns,
        SUM(system_ns) AS system_ns,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'running'), 0) / 1e9 AS running_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'stolen'), 0) / 1e9 AS stolen_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'runnable'), 0) / 1e9 AS runnable_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'throttled'), 0) / 1e9 AS throttled_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'lock'), 0) / 1e9 AS lock_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'disk'), 0) / 1e9 AS disk_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'network'), 0) / 1e9 AS network_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'pipe'), 0) / 1e9 AS pipe_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'page fault'), 0) / 1e9 AS page_fault_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'kernel'), 0) / 1e9 AS kernel_wait_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'child'), 0) / 1e9 AS child_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'poll'), 0) / 1e9 AS poll_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'event'), 0) / 1e9 AS event_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'device'), 0) / 1e9 AS device_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'sleep'), 0) / 1e9 AS sleep_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'idle'), 0) / 1e9 AS idle_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'stopped'), 0) / 1e9 AS stopped_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'other'), 0) / 1e9 AS other_s,
        COALESCE(SUM(ns) FILTER (WHERE spent = 'unknown'), 0) / 1e9 AS unknown_s
    FROM times
    GROUP BY process_key
),
threads AS (
    SELECT process_key, COUNT(DISTINCT tid) AS threads
    FROM by_thread
    GROUP BY process_key
)
SELECT
    t.process_key.pid,
    p.comm,
    n.threads,
    t.wall_ns / 1e9,
    t.mostly,
    t.running_s,
    t.running_s * t.user_ns / NULLIF(t.user_ns + t.system_ns, 0),
    t.running_s * t.system_ns / NULLIF(t.user_ns + t.system_ns, 0),
    t.stolen_s,
    t.runnable_s,
    t.throttled_s,
    t.lock_s,
    t.disk_s,
    t.network_s,
    t.pipe_s,
    t.page_fault_s,
    t.kernel_wait_s,
    t.child_s,
    t.poll_s,
    t.event_s,
    t.device_s,
    t.sleep_s,
    t.idle_s,
    t.stopped_s,
    t.other_s,
    t.unknown_s,
    t.process_key.start
FROM totals AS t
JOIN threads AS n USING (process_key)
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
ORDER BY t.running_s DESC, t.wall_ns DESC, t.process_key.pid, t.process_key.start;
