-- Waits that ended in the window, by what was waited for and by who ended them, in words. Needs `record --with waits`.
--
-- A thread that woke the waiter is the waker. Data that comes over a network wakes in an interrupt, whatever thread runs
-- then: the process at the other end is found by its ports, if both addresses are of this host and only one process has
-- them.
--
-- kept: window
-- needs: everyone.polled_objects, everyone.wakeups, unfiltered.cpu, unfiltered.object_name, unfiltered.process_key,
--    unfiltered.processes, unfiltered.sockets, unfiltered.wakeups
CREATE VIEW everyone.ended_waits(
    -- Process id (thread group id).
    pid,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start,
    -- What identifies the process: a struct of `pid` and `start`.
    process_key,
    -- Thread id.
    tid,
    -- Name of the thread.
    thread,
    -- What it waited for, as `waited_for` of `cpu` has it.
    waited_for,
    -- System call in which it waited; NULL if it was in none.
    syscall,
    -- What the call named: a file, a pipe, a remote address, the address of a futex; of a poll what the thread polled by that
    -- call, three at most. NULL if nothing.
    object,
    -- Inode of the file, pipe or socket, or the number of another object, as `object` of `wakeups`.
    inode,
    -- Device of the file, as `object_device` of `wakeups`.
    device,
    -- Local port of the socket; NULL if it has none.
    local_port,
    -- Its remote port.
    remote_port,
    -- Who ended the wait: 'NAME (PID)'; 'thread NAME (TID)' for a lock inside one process; 'interrupt: timer' or another;
    -- 'unknown'.
    waker,
    -- 'thread', or the kind of interrupt, as `woken_by` of `wakeups`; NULL if unknown.
    woken_by,
    -- That thread, for a lock inside one process; NULL for others.
    waker_tid,
    -- The process that woke it or, for data over a network, that is at the other end; NULL if that is unknown.
    waker_key,
    -- Name of that process; if it is not recorded, of its thread.
    waker_comm,
    -- How long, until it was ready to run [ns].
    ns,
    -- For locks: how long the waker held it at least, while this thread waited [ns]. NULL for what is no lock, or may be none:
    -- a futex counts as one if it has an owner, or if one that released it had waited for it.
    held_ns,
    -- Waits that ended.
    waits,
    -- The longest [ns].
    max_ns,
    -- Snapshot that counted them.
    ts
) AS
WITH
ends AS (
    SELECT DISTINCT process_key, local_port, remote_port, remote_address
    FROM unfiltered.wakeups
    WHERE remote_port IS NOT NULL
),
-- Addresses of this host, in any of its network namespaces.
here AS (
    SELECT local_address AS address FROM unfiltered.sockets WHERE local_port IS NOT NULL
    UNION
    SELECT remote_address FROM ends WHERE remote_address LIKE '127.%' OR remote_address IN ('::1', '::ffff:127.0.0.1')
),
pairs AS (
    SELECT w.process_key, w.local_port, w.remote_port, ANY_VALUE(o.process_key) AS other_key
    FROM ends AS w
    JOIN ends AS o ON o.local_port = w.remote_port AND o.remote_port = w.local_port
    WHERE o.remote_address = w.remote_address
        OR o.remote_address IN (SELECT address FROM here) AND w.remote_address IN (SELECT address FROM here)
    GROUP BY w.process_key, w.local_port, w.remote_port
    HAVING COUNT(DISTINCT o.process_key) = 1
),
polls AS (
    SELECT process_key, tid, syscall, LIST(DISTINCT object ORDER BY object) AS objects
    FROM everyone.polled_objects
    WHERE object IS NOT NULL
    GROUP BY process_key, tid, syscall
),
-- Those who hand a lock to each other wait for it, too; who fills a queue or ends a thread does not.
locks AS (
    SELECT DISTINCT r.process_key, r.object, r.object_device
    FROM (
        SELECT DISTINCT process_key, object, object_device, unfiltered.process_key(waker_pid, waker_start) AS waker_key, waker_tid
        FROM unfiltered.wakeups
        WHERE waited_for = 'lock' AND object IS NOT NULL AND held_ns > 0
    ) AS r
    JOIN (
        SELECT DISTINCT process_key, object, object_device, tid
        FROM unfiltered.wakeups
        WHERE waited_for = 'lock' AND object IS NOT NULL
    ) AS w ON w.object = r.object AND w.process_key = r.waker_key AND (w.tid = r.waker_tid OR r.waker_tid IS NULL)
    WHERE w.object_device IS NOT DISTINCT FROM r.object_device
),
threads AS (
    SELECT process_key, tid, MAX_BY(thread, ts) AS thread
    FROM unfiltered.cpu
    WHERE thread IS NOT NULL
    GROUP BY process_key, tid
)
SELECT
    w.pid,
    w.start,
    w.process_key,
    w.tid,
    w.thread,
    w.waited_for,
    w.syscall,
    COALESCE(
        unfiltered.object_name(w.waited_for, w.syscall, w.object, w.object_name, w.family, w.local_port, w.remote_address,
            w.remote_port),
        ARRAY_TO_STRING(l.objects[:3], ', ')
            || CASE WHEN LEN(l.objects) > 3 THEN FORMAT(' and {} more', LEN(l.objects) - 3) ELSE '' END
    ),
    w.object,
    w.object_device,
    w.local_port,
    w.remote_port,
    CASE
        WHEN w.woken_by IS NULL THEN 'unknown'
        WHEN w.woken_by = 'interrupt' THEN 'interrupt'
        WHEN w.woken_by <> 'thread' THEN 'interrupt: ' || w.woken_by
        WHEN w.waker_tid IS NOT NULL THEN FORMAT('thread {} ({})', COALESCE(t.thread, '?'), w.waker_tid)
        ELSE FORMAT('{} ({})', COALESCE(p.comm, w.waker_thread, '?'), w.waker_pid)
    END,
    w.woken_by,
    w.waker_tid,
    CASE
        WHEN w.woken_by = 'thread' THEN unfiltered.process_key(w.waker_pid, w.waker_start)
        WHEN w.waited_for IN ('network', 'poll') THEN o.other_key
    END,
    CASE WHEN w.woken_by = 'thread' THEN COALESCE(p.comm, w.waker_thread) ELSE e.comm END,
    TRY_CAST(w.waited_ns AS BIGINT),
    CASE
        WHEN w.waited_for = 'lock' AND w.held_ns > 0 AND (k.object IS NOT NULL OR w.has_owner OR w.syscall IN ('flock', 'fcntl'))
            THEN TRY_CAST(LEAST(w.held_ns, w.waited_ns) AS BIGINT)
    END,
    w.waits,
    w.max_waited_ns,
    w.ts
FROM everyone.wakeups AS w
LEFT JOIN unfiltered.processes AS p ON p.process_key = unfiltered.process_key(w.waker_pid, w.waker_start)
LEFT JOIN threads AS t ON t.process_key = unfiltered.process_key(w.waker_pid, w.waker_start) AND t.tid = w.waker_tid
LEFT JOIN polls AS l ON l.process_key = w.process_key AND l.tid = w.tid AND l.syscall = w.syscall AND w.waited_for = 'poll'
LEFT JOIN pairs AS o ON o.process_key = w.process_key AND o.local_port = w.local_port AND o.remote_port = w.remote_port
LEFT JOIN unfiltered.processes AS e ON e.process_key = o.other_key
LEFT JOIN locks AS k ON w.waited_for = 'lock' AND k.process_key = w.process_key AND k.object = w.object
    AND k.object_device IS NOT DISTINCT FROM w.object_device;
