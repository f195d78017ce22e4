-- What the test of CPU time needs: sums over both sides, by command.
--
-- Of the commands that are in both recordings.
CREATE VIEW measures.cpu(
    -- The command; NULL if no name is known.
    command,
    -- CPU time [s].
    cpu_before_s,
    -- The same, after.
    cpu_after_s,
    -- Time ready to run and waiting for a CPU [s]; NULL if the kernel does not count it.
    wait_before_s,
    -- The same, after.
    wait_after_s,
    -- Sum over the blocks of the squares of their CPU time [s²].
    square_before,
    -- The same, after.
    square_after
) AS
WITH
in_both AS (
    SELECT command
    FROM sides.programs
    WHERE LEN(getvariable('comms')) = 0 OR LIST_CONTAINS(getvariable('comms'), command)
    GROUP BY command
    HAVING COUNT(DISTINCT is_after) = 2
)
SELECT
    i.command,
    COALESCE(SUM(CASE WHEN NOT c.is_after THEN c.cpu_s END), 0),
    COALESCE(SUM(CASE WHEN c.is_after THEN c.cpu_s END), 0),
    SUM(CASE WHEN NOT c.is_after THEN c.wait_s END),
    SUM(CASE WHEN c.is_after THEN c.wait_s END),
    COALESCE(SUM(CASE WHEN NOT c.is_after THEN c.cpu_s * c.cpu_s END), 0),
    COALESCE(SUM(CASE WHEN c.is_after THEN c.cpu_s * c.cpu_s END), 0)
FROM in_both AS i
JOIN sides.cpu AS c ON c.command IS NOT DISTINCT FROM i.command
GROUP BY i.command;
