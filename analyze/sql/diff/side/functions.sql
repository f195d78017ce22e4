-- Samples of a side, by command, block of time and function.
--
-- A sample counts for the function that ran itself.
--
-- needs: diff.named, diff.span, main.samples, unfiltered.stack_functions
-- kept: window
CREATE VIEW diff.functions(
    -- Command name; NULL if unknown.
    command,
    -- The block of time.
    block,
    -- The function's name, or where its address is, or in square brackets why nothing is known.
    function,
    -- Name of the file that it is in, without its directory; NULL if unknown.
    module,
    -- Samples in which it ran itself.
    samples
) AS
WITH
counted AS (
    SELECT
        n.command,
        CAST(GREATEST(0, LEAST(
            s.blocks - 1,
            ROUND((CAST(EPOCH_NS(c.ts) AS DOUBLE PRECISION) - s.began_ns) * s.blocks / GREATEST(s.length_ns, 1)) - 1
        )) AS INTEGER) AS block,
        COALESCE(c.kernel_stack, c.user_stack) AS stack,
        SUM(c.samples) AS samples
    FROM main.samples AS c
    CROSS JOIN diff.span AS s
    LEFT JOIN diff.named AS n ON n.process_key = c.process_key
    WHERE NOT COALESCE(n.is_recorder, FALSE) AND c.ts IS NOT NULL
    GROUP BY ALL
)
SELECT
    c.command, c.block, COALESCE(f.function, '[unknown]'), REGEXP_EXTRACT(f.module, '[^/]*$'),
    TRY_CAST(SUM(c.samples) AS BIGINT)
FROM counted AS c
LEFT JOIN unfiltered.stack_functions AS f ON f.stack = c.stack AND f.place = 1
GROUP BY ALL
HAVING TRY_CAST(SUM(c.samples) AS BIGINT) > 0;
