-- What each thread waited for: which file, pipe, connection or lock, and who ended the waits.
--
-- The waits are those that ended in the window, whole. Only `record --with waits` tells. What a thread waited for when
-- the recording began is not known, nor what it polls by select.
-- A wait ends here when its thread has a CPU again, less what it was ready for one. In `wall_time` it ends at the wakeup, where
-- the kernel's account of its time on a CPU begins: a few us earlier, which is a tenth where waits take 30 us.
--
-- needs: main.ended_waits, unfiltered.file_name, unfiltered.full_path, unfiltered.object_names, unfiltered.opens,
--    unfiltered.processes
CREATE VIEW report.wait_objects_by_thread(
    -- Process id (thread group id).
    pid,
    -- Thread id.
    tid,
    -- Last known name of the thread.
    thread,
    -- Last known command name.
    comm,
    -- What it waited for, as `waited_for` of `cpu` has it.
    waited_for,
    -- The file, by its path if its opening was recorded and otherwise by its name; the pipe or socket as /proc/PID/fd
    -- shows it, or the remote address of a connection; the address of a futex. NULL if the call names nothing.
    object,
    -- How long, all waits together [s].
    total_s,
    -- Share of all that the thread waited [%].
    share_pct,
    -- Waits that ended.
    waits,
    -- Mean length of these [ms].
    mean_ms,
    -- The longest [ms].
    max_ms,
    -- Who ended most of this time: see `waker` of the report `wakers`.
    mostly_woken_by,
    -- That waker's share of the time [%].
    waker_pct,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
by_waker AS (
    SELECT
        process_key, tid, waited_for, object, inode, device, waker, waker_key, waker_tid,
        SUM(ns) AS ns,
        SUM(waits) AS waits,
        MAX(max_ns) AS max_ns,
        MAX((ts, thread)) AS named
    FROM main.ended_waits
    GROUP BY process_key, tid, waited_for, object, inode, device, waker, waker_key, waker_tid
),
totals AS (
    SELECT
        process_key, tid, waited_for, object, inode, device,
        SUM(ns) AS ns,
        SUM(waits) AS waits,
        MAX(max_ns) AS max_ns,
        MAX_BY(waker, (ns, waker)) AS waker,
        MAX(ns) AS waker_ns,
        SUM(SUM(ns)) OVER (PARTITION BY process_key, tid) AS all_ns,
        MAX(MAX(named)) OVER (PARTITION BY process_key, tid)[2] AS thread
    FROM by_waker
    GROUP BY process_key, tid, waited_for, object, inode, device
),
named AS (
    SELECT ts, device, inode, mount_namespace, unfiltered.full_path(origin, path, directory) AS path
    FROM unfiltered.opens
    WHERE result >= 0
    UNION ALL
    SELECT ts, object_device, object, mount_namespace, object_path
    FROM unfiltered.object_names
    WHERE object_type IN ('file', 'directory')
),
paths AS (
    SELECT device, inode, MAX_BY(unfiltered.file_name(mount_namespace, path), ts) AS path
    FROM named
    WHERE (device, inode) IN (SELECT (device, inode) FROM totals WHERE device IS NOT NULL)
    GROUP BY device, inode
)
SELECT
    t.process_key.pid,
    t.tid,
    t.thread,
    p.comm,
    t.waited_for,
    COALESCE(f.path, t.object),
    t.ns / 1e9,
    100.0 * t.ns / NULLIF(t.all_ns, 0),
    t.waits,
    t.ns / 1e6 / NULLIF(t.waits, 0),
    t.max_ns / 1e6,
    t.waker,
    100.0 * t.waker_ns / NULLIF(t.ns, 0),
    t.process_key.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
LEFT JOIN paths AS f ON f.device = t.device AND f.inode = t.inode
WHERE t.waited_for IS DISTINCT FROM 'idle'
ORDER BY t.ns DESC, t.process_key.pid, t.process_key.start, t.tid, t.waited_for, t.object, t.inode, t.device;
