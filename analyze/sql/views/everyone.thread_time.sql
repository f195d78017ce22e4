-- Where the time of each thread went, without remainder.
--
-- A thread is always in one state, so the rows of a thread add up to the time that it lived in the window's intervals:
-- whole ones, from snapshot to snapshot, those that end in it. What was counted in an interval lies somewhere in it; a
-- wait that spans intervals has its exact start and end. Time on a CPU is the kernel's own account, which begins some us
-- before the switch, at the wakeup; the wait before it is that much shorter here than in `cpu`. What a thread did that
-- was off the CPU before it was first seen is unknown: its state is NULL. No rows if the kind `cpu` was not
-- recorded.
--
-- needs: everyone.cpu, finding.span, unfiltered.clocks, unfiltered.cpu, unfiltered.threads_off_cpu
CREATE VIEW everyone.thread_time(
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
    -- What it did: 'running'; 'stolen', it had a CPU that the hypervisor or an interrupt took; 'runnable', it was ready
    -- to run without a CPU; or what it waited for, as `waited_for` of `cpu` has it.
    state,
    -- System call in which it waited; NULL if it was in none.
    syscall,
    -- How long [ns].
    ns,
    -- Waits that ended; 0 for states that are no waits.
    waits,
    -- The longest of these [ns].
    max_ns,
    -- Whether the wait ended in the window; NULL for states that are no waits.
    is_over,
    -- Of 'running', what the kernel's ticks saw in user mode [ns]: only its share of `user_ns + system_ns` means
    -- something.
    user_ns,
    -- The same in the kernel.
    system_ns,
    -- Start of the interval that contains it, since 1970 [ns].
    from_ns,
    -- End of that interval [ns].
    to_ns,
    -- Whether it is one wait that lasted through all of the window: of a thread to which nothing happened.
    is_throughout
) AS
WITH
steps AS (
    SELECT ts, EPOCH_NS(LAG(ts) OVER (ORDER BY ts)) AS from_ns, EPOCH_NS(ts) AS to_ns
    FROM (SELECT DISTINCT ts FROM unfiltered.clocks WHERE ts IS NOT NULL)
),
counts AS (
    SELECT pid, start, process_key, tid, thread, waited_for, syscall, waits, max_waited_ns, user_ns, system_ns,
        s.from_ns, s.to_ns,
        TRY_CAST(oncpu_ns AS BIGINT) AS oncpu_ns,
        TRY_CAST(occupied_ns AS BIGINT) AS occupied_ns,
        TRY_CAST(waited_ns AS BIGINT) - TRY_CAST(waited_before_ns AS BIGINT) AS off_ns,
        TRY_CAST(ready_ns AS BIGINT) - TRY_CAST(ready_before_ns AS BIGINT) AS queued_ns
    FROM everyone.cpu AS c
    JOIN steps AS s USING (ts)
    WHERE c.tid IS NOT NULL
),
counted AS (
    SELECT *, GREATEST(oncpu_ns, occupied_ns) - occupied_ns AS early_ns
    FROM counts
),
divided AS (
    SELECT *,
        LEAST(oncpu_ns, TRY(occupied_ns + off_ns + queued_ns)) AS running_ns,
        GREATEST(off_ns, early_ns) - early_ns AS waited_here_ns,
        queued_ns - LEAST(queued_ns, GREATEST(off_ns, early_ns) - off_ns) AS ready_here_ns
    FROM counted
),
-- What had begun before the interval in which it ended, or had not ended at the end.
carried AS (
    SELECT c.pid, c.start, c.process_key, c.tid, c.thread, c.waited_for, c.syscall,
        TRY(s.from_ns - c.ready_before_ns - c.waited_before_ns) AS from_ns,
        TRY(s.from_ns - c.ready_before_ns) AS woken_ns,
        s.from_ns AS to_ns,
        getvariable('until') IS NULL OR c.ts <= getvariable('until') AS is_over
    FROM unfiltered.cpu AS c
    JOIN steps AS s USING (ts)
    WHERE c.waited_before_ns > 0 OR c.ready_before_ns > 0
    UNION ALL
    SELECT pid, start, process_key, tid, thread, waited_for, syscall,
        TRY(EPOCH_NS(ts) - off_cpu_ns),
        TRY(EPOCH_NS(ts) - CASE WHEN waited_for = 'runnable' THEN off_cpu_ns ELSE 0 END),
        EPOCH_NS(ts),
        FALSE
    FROM unfiltered.threads_off_cpu
    WHERE getvariable('cpu_recorded')  -- else all that a thread did before is unknown, and the rest would be taken for all
),
long AS (
    SELECT c.* REPLACE (
            GREATEST(c.from_ns, s.counted_from_ns) AS from_ns,
            LEAST(GREATEST(c.woken_ns, s.counted_from_ns), s.counted_to_ns) AS woken_ns,
            LEAST(c.to_ns, s.counted_to_ns) AS to_ns
        ),
        c.from_ns <= s.counted_from_ns AND c.woken_ns >= s.counted_to_ns AS is_throughout
    FROM carried AS c
    CROSS JOIN finding.span AS s
    WHERE c.from_ns < s.counted_to_ns AND c.to_ns > s.counted_from_ns
)
SELECT
    pid, start, process_key, tid, thread, 'running', NULL,
    running_ns, 0, NULL, NULL, user_ns, system_ns, from_ns, to_ns, FALSE
FROM divided
WHERE running_ns > 0
UNION ALL
SELECT
    pid, start, process_key, tid, thread, 'stolen', NULL,
    occupied_ns - running_ns, 0, NULL, NULL, NULL, NULL, from_ns, to_ns, FALSE
FROM divided
WHERE occupied_ns > running_ns
UNION ALL
SELECT
    pid, start, process_key, tid, thread, 'runnable', NULL,
    ready_here_ns, 0, NULL, NULL, NULL, NULL, from_ns, to_ns, FALSE
FROM divided
WHERE ready_here_ns > 0
UNION ALL
SELECT
    pid, start, process_key, tid, thread, waited_for, syscall,
    waited_here_ns, waits, max_waited_ns, TRUE, NULL, NULL, from_ns, to_ns, FALSE
FROM divided
WHERE waits > 0
UNION ALL
SELECT
    pid, start, process_key, tid, thread, waited_for, syscall,
    woken_ns - from_ns, 0, NULL, is_over, NULL, NULL, from_ns, woken_ns, is_throughout
FROM long
WHERE woken_ns > from_ns
UNION ALL
SELECT
    pid, start, process_key, tid, thread, 'runnable', NULL,
    to_ns - woken_ns, 0, NULL, NULL, NULL, NULL, woken_ns, to_ns, FALSE
FROM long
WHERE to_ns > woken_ns;
