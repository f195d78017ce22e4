-- How often each function was found on a CPU, by thread.
--
-- A function counts once for a sample, however often its stack has it.
--
-- needs: main.samples, unfiltered.stack_functions
-- kept: window
CREATE VIEW sampled_functions(
    -- What identifies the process: a struct of `pid` and `start`.
    process_key,
    -- Thread id; NULL for those that did not fit into a full map.
    tid,
    -- The function's name, or where its address is, or in square brackets why nothing is known.
    function,
    -- File that it is in.
    module,
    -- Samples in which it ran itself.
    self,
    -- Samples in which it ran, or one that it called, directly or not.
    total
) AS
WITH
found AS (
    SELECT process_key, tid, user_stack, kernel_stack, SUM(samples) AS samples
    FROM main.samples
    GROUP BY ALL
),
pairs AS (
    SELECT user_stack, kernel_stack, COALESCE(kernel_stack, user_stack) AS innermost, ROW_NUMBER() OVER () AS pair
    FROM (SELECT DISTINCT user_stack, kernel_stack FROM found)
),
-- A condition with OR would compare each pair with each function of each stack.
stacks AS (
    SELECT pair, user_stack AS stack, innermost FROM pairs
    UNION ALL
    SELECT pair, kernel_stack, innermost FROM pairs
),
functions AS (
    SELECT s.pair, f.function, f.module, BOOL_OR(f.place = 1 AND f.stack = s.innermost) AS is_innermost
    FROM stacks AS s
    JOIN unfiltered.stack_functions AS f ON f.stack = s.stack
    GROUP BY ALL
    UNION ALL
    SELECT pair, '[unknown]', NULL, TRUE
    FROM pairs
    WHERE innermost IS NULL
)
SELECT s.process_key, s.tid, f.function, f.module,
    COALESCE(SUM(s.samples) FILTER (WHERE f.is_innermost), 0),
    SUM(s.samples)
FROM found AS s
JOIN pairs AS p ON p.user_stack IS NOT DISTINCT FROM s.user_stack AND p.kernel_stack IS NOT DISTINCT FROM s.kernel_stack
JOIN functions AS f ON f.pair = p.pair
GROUP BY s.process_key, s.tid, f.function, f.module;
