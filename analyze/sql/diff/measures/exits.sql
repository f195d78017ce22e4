-- What the test of exits needs: how many processes of each command ended in each way, on both sides.
--
-- Of the commands of which processes ended in both recordings.
CREATE VIEW measures.exits(
    -- The command; NULL if no name is known.
    command,
    -- What they passed to exit(2); NULL if a signal ended them.
    exit_code,
    -- The signal that ended them; NULL if they exited by themselves.
    signal,
    -- Processes that ended so.
    processes_before,
    -- The same, after.
    processes_after,
    -- Processes that ended at all.
    ended_before,
    -- The same, after.
    ended_after
) AS
WITH
ways AS (
    SELECT
        command, exit_code, signal,
        CAST(SUM(CASE WHEN is_after THEN 0 ELSE processes END) AS BIGINT) AS b,
        CAST(SUM(CASE WHEN is_after THEN processes ELSE 0 END) AS BIGINT) AS a
    FROM sides.exits
    WHERE LEN(getvariable('comms')) = 0 OR LIST_CONTAINS(getvariable('comms'), command)
    GROUP BY command, exit_code, signal
),
summed AS (
    SELECT
        *,
        CAST(SUM(b) OVER (PARTITION BY command) AS BIGINT) AS all_b,
        CAST(SUM(a) OVER (PARTITION BY command) AS BIGINT) AS all_a
    FROM ways
)
SELECT command, exit_code, signal, b, a, all_b, all_a
FROM summed
WHERE all_b > 0 AND all_a > 0;
