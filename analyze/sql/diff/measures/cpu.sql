-- Input for the test of CPU time: sums over both sides, by command.
--
-- For the commands in both recordings.
CREATE VIEW measures.cpu(
    -- Command name; NULL if unknown.
    command,
    -- CPU time [s].
    cpu_before_s,
    -- The same, after.
    cpu_after_s,
    -- Time waiting for a CPU [s]; NULL if the kernel does not count it.
    wait_before_s,
    -- The same, after.
    wait_after_s,
    -- Sum over the blocks of the squares of their CPU time [s²].
    square_before,
    -- The same, after.
    square_after,
    -- Blocks without the idle ones at both ends.
    active_blocks_before,
    -- The same, after.
    active_blocks_after,
    -- CPU time in these [s].
    active_before_s,
    -- The same, after.
    active_after_s,
    -- Sum over these of the squares of their CPU time [s²].
    active_square_before,
    -- The same, after.
    active_square_after
) AS
WITH
in_both AS (
    SELECT command
    FROM sides.programs
    WHERE LEN(getvariable('comms')) = 0 OR LIST_CONTAINS(getvariable('comms'), command)
    GROUP BY command
    HAVING COUNT(DISTINCT is_after) = 2
),
in_blocks AS (
    SELECT command, is_after, block, SUM(cpu_s) AS cpu_s
    FROM sides.cpu
    GROUP BY command, is_after, block
),
-- As for calls: from the first block to the last with at least a twentieth of the fullest one's CPU time.
ends AS (
    SELECT c.command, c.is_after,
        MIN(c.block) + CASE WHEN MIN(c.block) > 0 THEN 1 ELSE 0 END AS first,
        MAX(c.block) - CASE WHEN MAX(c.block) < MAX(s.blocks) - 1 THEN 1 ELSE 0 END AS last
    FROM (SELECT *, MAX(cpu_s) OVER (PARTITION BY command, is_after) AS most FROM in_blocks) AS c
    JOIN sides.spans AS s ON s.is_after = c.is_after
    WHERE c.cpu_s * 20 >= c.most AND s.per = 's'
    GROUP BY c.command, c.is_after
),
active AS (
    SELECT
        e.command, e.is_after,
        MAX(e.last - e.first + 1) AS blocks,
        SUM(c.cpu_s) AS cpu_s,
        SUM(c.cpu_s * c.cpu_s) AS square
    FROM ends AS e
    JOIN in_blocks AS c ON c.command IS NOT DISTINCT FROM e.command AND c.is_after = e.is_after
        AND c.block BETWEEN e.first AND e.last
    GROUP BY e.command, e.is_after
),
summed AS (
    SELECT
        i.command,
        COALESCE(SUM(CASE WHEN NOT c.is_after THEN c.cpu_s END), 0) AS cpu_b,
        COALESCE(SUM(CASE WHEN c.is_after THEN c.cpu_s END), 0) AS cpu_a,
        SUM(CASE WHEN NOT c.is_after THEN c.wait_s END) AS wait_b,
        SUM(CASE WHEN c.is_after THEN c.wait_s END) AS wait_a,
        COALESCE(SUM(CASE WHEN NOT c.is_after THEN c.cpu_s * c.cpu_s END), 0) AS square_b,
        COALESCE(SUM(CASE WHEN c.is_after THEN c.cpu_s * c.cpu_s END), 0) AS square_a
    FROM in_both AS i
    JOIN sides.cpu AS c ON c.command IS NOT DISTINCT FROM i.command
    GROUP BY i.command
)
SELECT
    t.command, t.cpu_b, t.cpu_a, t.wait_b, t.wait_a, t.square_b, t.square_a,
    b.blocks, a.blocks,
    b.cpu_s, a.cpu_s,
    b.square, a.square
FROM summed AS t
LEFT JOIN active AS b ON b.command IS NOT DISTINCT FROM t.command AND NOT b.is_after
LEFT JOIN active AS a ON a.command IS NOT DISTINCT FROM t.command AND a.is_after;
