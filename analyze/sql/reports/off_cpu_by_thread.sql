-- What each thread waited for, by stack, with the time blocked; needs `record --with off_cpu`.
--
-- Exact: every wait that ended in the window is counted with its whole length, less the time in which the thread was ready to
-- run. A wait that has not ended is in the report `waits_by_thread` only.
--
-- needs: main.off_cpu, unfiltered.processes, unfiltered.stack_paths
CREATE VIEW report.off_cpu_by_thread(
    -- Process id (thread group id).
    pid,
    -- Thread id; NULL for those that did not fit into a full map.
    tid,
    -- Last known name of the thread.
    thread,
    -- Last known command name.
    comm,
    -- What it waited for, as `waited_for` of `cpu` has it. NULL if unknown.
    waited_for,
    -- How long [s].
    blocked_s,
    -- Share of the time that the thread was blocked [%].
    blocked_pct,
    -- Waits.
    waits,
    -- Mean length of these [ms].
    mean_ms,
    -- The longest [ms].
    max_ms,
    -- Innermost function in user space; in square brackets why it is unknown; NULL for threads of the kernel, and for
    -- waits that began before they were recorded.
    function,
    -- Innermost function in the kernel that is not the scheduler's.
    kernel_function,
    -- Functions in user space, outermost first, with semicolons between them; '[caller skipped]' for callers that are
    -- missing in between.
    stack,
    -- Whether that stack has all callers, back to where the thread began; otherwise some are missing, mostly for lack of frame
    -- pointers. NULL if there is no such stack.
    is_whole,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
totals AS (
    SELECT process_key, tid, waited_for, user_stack, kernel_stack,
        SUM(waits) AS waits,
        SUM(waited_ns) AS ns,
        MAX(max_waited_ns) AS max_ns,
        MAX_BY(thread, (ts, thread)) AS thread
    FROM main.off_cpu
    GROUP BY process_key, tid, waited_for, user_stack, kernel_stack
)
SELECT
    t.process_key.pid,
    t.tid,
    t.thread,
    CASE WHEN t.process_key.pid = 0 THEN '(other)' ELSE p.comm END,
    t.waited_for,
    t.ns / 1e9,
    100.0 * t.ns / NULLIF(SUM(t.ns) OVER (PARTITION BY t.process_key, t.tid), 0),
    t.waits,
    t.ns / NULLIF(t.waits, 0) / 1e6,
    t.max_ns / 1e6,
    u.function,
    LIST_FILTER(k.functions, lambda f: NOT REGEXP_MATCHES(f, '^_*(schedule|io_schedule)'))[-1],
    ARRAY_TO_STRING(u.functions, ';'),
    u.is_whole,
    t.process_key.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
LEFT JOIN unfiltered.stack_paths AS u ON u.stack = t.user_stack
LEFT JOIN unfiltered.stack_paths AS k ON k.stack = t.kernel_stack
ORDER BY t.ns DESC, t.process_key.pid, t.process_key.start, t.tid, t.waited_for, t.user_stack, t.kernel_stack;
