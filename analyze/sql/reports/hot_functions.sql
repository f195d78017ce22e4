-- Functions that ran on a CPU, by samples; needs `record --with samples`.
--
-- Sampled, not measured: a clock looked at each CPU at a fixed rate, so shares come with the interval in which they lie with
-- 95 % confidence, and with the samples they rest on. They are shares of the samples of the process; its exact CPU time is in
-- the report `cpu`. A function in the kernel counts for the process that called it. Functions that no stack shows, as
-- they or what they called had no frame pointers, are missing from `total`: see `cut_pct`.
--
-- needs: main.sampled_functions, main.samples, unfiltered.processes, unfiltered.share_high, unfiltered.share_low, unfiltered.stack_paths
CREATE VIEW report.hot_functions(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- The function's name, or where its address is, or in square brackets why nothing is known.
    function,
    -- File that it is in, 'kernel', or a module of the kernel; NULL if unknown.
    module,
    -- Samples in which it ran itself.
    self,
    -- Share of the process's samples [%].
    self_pct,
    -- Lower end of the 95 % interval of that share [%].
    self_low_pct,
    -- Upper end.
    self_high_pct,
    -- Samples in which it ran, or a function that it called, directly or not.
    total,
    -- Share of the process's samples [%].
    total_pct,
    -- Lower end of the 95 % interval of that share [%].
    total_low_pct,
    -- Upper end.
    total_high_pct,
    -- Samples of the process.
    samples,
    -- Share of these whose stack in user space lacks callers [%]: mostly as the program, or a library that it calls, was
    -- built without frame pointers. Where one is missing in between, the function is '[caller skipped]'.
    cut_pct,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
wholes AS (
    SELECT s.process_key, SUM(s.samples) AS samples,
        COALESCE(SUM(s.samples) FILTER (WHERE NOT COALESCE(k.is_whole, s.user_stack IS NULL)), 0) AS cut
    FROM main.samples AS s
    LEFT JOIN unfiltered.stack_paths AS k ON k.stack = s.user_stack
    GROUP BY s.process_key
),
functions AS (
    SELECT process_key, function, module, SUM(self) AS self, SUM(total) AS total
    FROM main.sampled_functions
    GROUP BY process_key, function, module
)
SELECT
    f.process_key.pid,
    CASE WHEN f.process_key.pid = 0 THEN '(other)' ELSE p.comm END,
    f.function,
    f.module,
    f.self,
    100.0 * f.self / w.samples,
    unfiltered.share_low(f.self, w.samples),
    unfiltered.share_high(f.self, w.samples),
    f.total,
    100.0 * f.total / w.samples,
    unfiltered.share_low(f.total, w.samples),
    unfiltered.share_high(f.total, w.samples),
    w.samples,
    100.0 * w.cut / w.samples,
    f.process_key.start
FROM functions AS f
JOIN wholes AS w ON w.process_key = f.process_key
LEFT JOIN unfiltered.processes AS p ON p.process_key = f.process_key
ORDER BY f.self DESC, f.total DESC, f.process_key.pid, f.process_key.start, f.function, f.module;
