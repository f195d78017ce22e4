-- What is known of the stacks of each program: how many lack callers or are unknown.
--
-- The kernel follows frame pointers. A stack ends too early where a function uses that register for something else. While a
-- function has no frame of its own, as most of the C library's, its caller is skipped: `main;f;memcmp` becomes
-- `main;[caller skipped];memcmp`. The function's file tells, in .eh_frame; without it, as in code that a runtime compiles, and
-- on machines other than x86 and arm64, a caller may be missing without a sign.
--
-- Threads of the kernel have no stack in user space, and are left out.
--
-- needs: main.off_cpu, main.samples, unfiltered.processes, unfiltered.stack_paths
CREATE VIEW report.stack_quality(
    -- Last known command name; (other): of what did not fit into a full map.
    comm,
    -- Samples of running threads.
    samples,
    -- Share of these whose stack lacks callers [%]: mostly as the program, or a library that it calls, was built without
    -- frame pointers.
    samples_cut_pct,
    -- Share of these whose stack skips a caller [%], which is part of `samples_cut_pct`.
    samples_skipped_pct,
    -- Share of these whose stack is unknown [%]: it could not be read, or there was no room for it.
    samples_unknown_pct,
    -- Share of these whose innermost function has no name [%].
    samples_unnamed_pct,
    -- How long its threads were blocked [s].
    blocked_s,
    -- Share of that time with a stack that lacks callers [%].
    blocked_cut_pct,
    -- Share of that time with a stack that skips a caller [%].
    blocked_skipped_pct,
    -- Share of that time with an unknown stack [%]; the wait may also have begun before it was recorded.
    blocked_unknown_pct,
    -- Share of that time with an innermost function without a name [%].
    blocked_unnamed_pct
) AS
WITH
weights AS (
    SELECT process_key, user_stack, kernel_stack, samples, NULL AS ns FROM main.samples
    UNION ALL
    SELECT process_key, user_stack, kernel_stack, NULL, waited_ns FROM main.off_cpu
),
shown AS (
    SELECT
        CASE WHEN w.process_key.pid = 0 THEN '(other)' ELSE p.comm END AS comm,
        w.samples,
        w.ns,
        COALESCE(u.is_known AND NOT u.is_whole, FALSE) AS is_cut,
        COALESCE(u.skips_caller, FALSE) AS skips_caller,
        NOT COALESCE(u.is_known, FALSE) AS is_unknown,
        COALESCE(u.is_known AND NOT u.is_named, FALSE) AS is_unnamed
    FROM weights AS w
    LEFT JOIN unfiltered.processes AS p ON p.process_key = w.process_key
    LEFT JOIN unfiltered.stack_paths AS u ON u.stack = w.user_stack
    LEFT JOIN unfiltered.stack_paths AS k ON k.stack = w.kernel_stack
    WHERE w.user_stack IS NOT NULL OR w.process_key.pid = 0 OR (NOT k.is_known AND NOT COALESCE(p.kernel_thread, FALSE))
)
SELECT
    comm,
    SUM(samples) AS total,
    100.0 * SUM(IF(is_cut, samples, 0)) / NULLIF(SUM(samples), 0),
    100.0 * SUM(IF(skips_caller, samples, 0)) / NULLIF(SUM(samples), 0),
    100.0 * SUM(IF(is_unknown, samples, 0)) / NULLIF(SUM(samples), 0),
    100.0 * SUM(IF(is_unnamed, samples, 0)) / NULLIF(SUM(samples), 0),
    SUM(ns) / 1e9 AS blocked_s,
    100.0 * SUM(IF(is_cut, ns, 0)) / NULLIF(SUM(ns), 0),
    100.0 * SUM(IF(skips_caller, ns, 0)) / NULLIF(SUM(ns), 0),
    100.0 * SUM(IF(is_unknown, ns, 0)) / NULLIF(SUM(ns), 0),
    100.0 * SUM(IF(is_unnamed, ns, 0)) / NULLIF(SUM(ns), 0)
FROM shown
GROUP BY comm
ORDER BY total DESC NULLS LAST, blocked_s DESC NULLS LAST, comm;
