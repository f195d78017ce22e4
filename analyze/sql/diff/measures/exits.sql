-- Input for the test of exits: how many processes of each command ended in each way, on both sides.
--
-- For the commands with processes that ended in both recordings.
CREATE VIEW measures.exits(
    -- Command name; NULL if unknown.
    command,
    -- Exit code; NULL if a signal ended them.
    exit_code,
    -- Signal that ended them; NULL if they exited normally.
    signal,
    -- Processes that ended this way.
    processes_before,
    -- The same, after.
    processes_after,
    -- All processes that ended.
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
