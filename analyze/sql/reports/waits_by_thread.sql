-- What each thread waited for, and in which system calls.
--
-- The states of the report `wall_time_by_thread` in which a thread does not run, each with its system call. The time
-- of a wait that has not ended counts, too.
--
-- Empty for traces recorded by older versions.
--
-- needs: main.thread_time, unfiltered.processes
CREATE VIEW report.waits_by_thread(
    -- Process id (thread group id).
    pid,
    -- Thread id.
    tid,
    -- Last known name of the thread.
    thread,
    -- Last known command name of the process.
    comm,
    -- What it waited for, as `waited_for` of `cpu` has it; 'runnable' is waiting for a CPU. NULL if unknown.
    waited_for,
    -- System call in which it did; NULL if in none.
    syscall,
    -- How long [s].
    total_s,
    -- Share of `wall_s` of `wall_time_by_thread` [%].
    wall_pct,
    -- Waits that ended; NULL for 'runnable', see the report `runqueue`.
    waits,
    -- Mean length of these [ms]; NULL if none ended.
    mean_ms,
    -- The longest, also of those that go on [ms].
    max_ms,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
totals AS (
    SELECT
        process_key, tid, state, syscall,
        SUM(ns) AS ns,
        SUM(waits) AS waits,
        GREATEST(MAX(max_ns), MAX(ns) FILTER (WHERE NOT is_over)) AS max_ns,
        SUM(ns) FILTER (WHERE is_over) AS ended_ns,
        SUM(SUM(ns)) OVER (PARTITION BY process_key, tid) AS wall_ns,
        MAX_BY(MAX_BY(thread, (to_ns, from_ns, thread)), MAX((to_ns, from_ns, thread)))
            OVER (PARTITION BY process_key, tid) AS thread
    FROM main.thread_time
    GROUP BY process_key, tid, state, syscall
)
SELECT
    t.process_key.pid,
    t.tid,
    t.thread,
    p.comm,
    t.state,
    t.syscall,
    t.ns / 1e9,
    100.0 * t.ns / NULLIF(t.wall_ns, 0),
    CASE WHEN t.state <> 'runnable' THEN t.waits END,
    CASE WHEN t.waits > 0 THEN t.ended_ns / 1e6 / t.waits END,
    t.max_ns / 1e6,
    t.process_key.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
WHERE t.state IS NULL OR t.state NOT IN ('running', 'stolen', 'idle')
ORDER BY t.ns DESC, t.process_key.pid, t.process_key.start, t.tid, t.state, t.syscall;
