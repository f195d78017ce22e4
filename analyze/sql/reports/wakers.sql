-- Who ended the waits of each process: the thread that woke it, or the kind of interrupt.
--
-- For a lock inside one process the waker is the thread that released it. The kernel does not know who holds a lock; it
-- knows who wakes the waiter. The waits are those that ended in the window, whole. Only `record --with waits` tells.
-- A wait ends here when its thread has a CPU again, less what it was ready for one. In `wall_time` it ends at the wakeup, where
-- the kernel's account of its time on a CPU begins: a few us earlier, which is a tenth where waits take 30 us.
--
-- needs: main.ended_waits, unfiltered.processes
CREATE VIEW report.wakers(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- What it waited for, as `waited_for` of `cpu` has it.
    waited_for,
    -- Who ended the wait: 'NAME (PID)'; 'N NAME processes', several children that ended; 'thread NAME (TID)' for a lock inside
    -- one process; 'interrupt: timer' or another; 'unknown'.
    waker,
    -- How long it waited until then, all waits together [s].
    total_s,
    -- For a lock: how long of this the waker held it at least [s]; the rest of the wait others did, who released it to others
    -- before. NULL where that is unknown, and for what is no lock or may be none, such as a condition variable, a semaphore
    -- or the end of a thread: a futex counts as a lock if it has an owner (priority inheritance), or if one that released it
    -- had waited for it.
    held_s,
    -- Share of all that the process waited for this [%].
    share_pct,
    -- Waits that ended.
    waits,
    -- Mean length of these [ms].
    mean_ms,
    -- The longest [ms].
    max_ms,
    -- The process at the other end of the connection, if the waits ended by data from one on this host: 'NAME (PID)'.
    other_end,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
-- Children that ended are put together by name: a shell makes thousands.
waits AS (
    SELECT *, CASE WHEN waited_for = 'child' AND woken_by = 'thread' THEN waker_comm END AS ended_child
    FROM main.ended_waits
),
totals AS (
    SELECT
        process_key, waited_for, waker_tid, woken_by,
        CASE WHEN COUNT(DISTINCT waker_key) > 1 THEN FORMAT('{} {} processes', COUNT(DISTINCT waker_key), ended_child)
            ELSE MIN(waker) END AS waker,
        MIN(waker_key) AS waker_key,
        SUM(ns) AS ns,
        SUM(held_ns) AS held_ns,
        SUM(waits) AS waits,
        MAX(max_ns) AS max_ns,
        SUM(SUM(ns)) OVER (PARTITION BY process_key, waited_for) AS all_ns
    FROM waits
    GROUP BY
        process_key, waited_for, waker_tid, woken_by, ended_child,
        CASE WHEN ended_child IS NULL THEN (waker, waker_key) END
)
SELECT
    t.process_key.pid,
    p.comm,
    t.waited_for,
    t.waker,
    t.ns / 1e9,
    t.held_ns / 1e9,
    100.0 * t.ns / NULLIF(t.all_ns, 0),
    t.waits,
    t.ns / 1e6 / NULLIF(t.waits, 0),
    t.max_ns / 1e6,
    CASE WHEN t.woken_by <> 'thread' THEN FORMAT('{} ({})', COALESCE(o.comm, '?'), t.waker_key.pid) END,
    t.process_key.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
LEFT JOIN unfiltered.processes AS o ON o.process_key = t.waker_key
WHERE t.waited_for IS DISTINCT FROM 'idle'
ORDER BY t.ns DESC, t.process_key.pid, t.process_key.start, t.waited_for, t.waker, t.waker_key;
