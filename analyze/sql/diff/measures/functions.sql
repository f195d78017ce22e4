-- Input for the test of functions: the share of each in the samples of its command, on both sides.
--
-- For commands with samples in both recordings.
CREATE VIEW measures.functions(
    -- Command name; NULL if unknown.
    command,
    -- The function.
    function,
    -- Name of the file that it is in; NULL if unknown.
    module,
    -- Samples in which it ran itself.
    self_before,
    -- The same, after.
    self_after,
    -- Samples of the command.
    samples_before,
    -- The same, after.
    samples_after,
    -- Blocks in which the command has samples.
    blocks_before,
    -- The same, after.
    blocks_after,
    -- Variance of the function's share between blocks; NULL if there is one block.
    self_variance_before,
    -- The same, after.
    self_variance_after
) AS
WITH
chosen AS (
    SELECT *
    FROM sides.functions
    WHERE LEN(getvariable('comms')) = 0 OR LIST_CONTAINS(getvariable('comms'), command)
),
blocks AS (
    SELECT is_after, command, block, SUM(samples) AS samples
    FROM chosen
    GROUP BY is_after, command, block
),
wholes AS (
    SELECT is_after, command, SUM(samples) AS samples, SUM(samples * samples) AS square, COUNT(*) AS blocks
    FROM blocks
    GROUP BY is_after, command
),
names AS (
    SELECT DISTINCT command, function, module
    FROM chosen
),
sums AS (
    SELECT
        c.is_after, c.command, c.function, c.module, SUM(c.samples) AS self, SUM(c.samples * c.samples) AS square,
        SUM(c.samples * b.samples) AS product
    FROM chosen AS c
    JOIN blocks AS b
        ON b.is_after = c.is_after AND b.command IS NOT DISTINCT FROM c.command AND b.block = c.block
    GROUP BY c.is_after, c.command, c.function, c.module
),
-- Of a ratio estimator: Cochran, Sampling Techniques (1977), 6.4.
varied AS (
    SELECT
        w.is_after, n.command, n.function, n.module, w.samples, w.blocks,
        CAST(COALESCE(s.self, 0) AS BIGINT) AS self,
        w.blocks / NULLIF(w.blocks - 1.0, 0) * GREATEST(
            COALESCE(s.square, 0)
            - 2.0 * COALESCE(s.self, 0) / w.samples * COALESCE(s.product, 0)
            + POWER(1.0 * COALESCE(s.self, 0) / w.samples, 2) * w.square,
            0
        ) / POWER(w.samples, 2) AS variance
    FROM names AS n
    JOIN wholes AS w ON w.command IS NOT DISTINCT FROM n.command
    LEFT JOIN sums AS s
        ON s.is_after = w.is_after AND s.command IS NOT DISTINCT FROM n.command AND s.function = n.function
        AND s.module IS NOT DISTINCT FROM n.module
)
SELECT
    b.command, b.function, b.module, b.self, a.self, CAST(b.samples AS BIGINT), CAST(a.samples AS BIGINT), b.blocks,
    a.blocks, b.variance, a.variance
FROM varied AS b
JOIN varied AS a
    ON a.is_after AND a.command IS NOT DISTINCT FROM b.command AND a.function = b.function
    AND a.module IS NOT DISTINCT FROM b.module
WHERE NOT b.is_after;
