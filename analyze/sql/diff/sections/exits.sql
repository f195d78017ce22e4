-- Exit codes
--
-- How processes ended, for commands of which some ended in both recordings: ways to end that only one recording has,
-- and ways whose share changed.
CREATE VIEW diff.exits(
    -- 'new', 'gone', 'more' or 'fewer'; NULL if none of them.
    changed,
    -- Command name; NULL if unknown.
    command,
    -- Exit code; NULL if a signal ended them.
    exit_code,
    -- Signal that ended them; NULL if they exited normally.
    signal,
    -- Processes that ended this way.
    processes_before,
    -- All processes of the command that ended.
    ended_before,
    -- Processes that ended this way, after.
    processes_after,
    -- All processes of the command that ended, after.
    ended_after,
    -- False discovery rate at which the change of the share counts.
    exits_q
) AS
WITH judged AS (
    SELECT
        *,
        CASE
            WHEN processes_before = 0 THEN 'new'
            WHEN processes_after = 0 THEN 'gone'
            WHEN exits_q <= getvariable('level')
                AND diff.apart(processes_before * 1.0 / ended_before, processes_after * 1.0 / ended_after)
                THEN CASE WHEN processes_after * ended_before > processes_before * ended_after THEN 'more' ELSE 'fewer' END
        END AS changed
    FROM tested.exits
)
SELECT changed, command, exit_code, signal, processes_before, ended_before, processes_after, ended_after, exits_q
FROM judged
WHERE changed IS NOT NULL OR getvariable('unchanged')
ORDER BY changed IS NULL,
    ABS(processes_after * 1.0 / ended_after - processes_before * 1.0 / ended_before) DESC,
    command NULLS LAST, exit_code NULLS LAST, signal NULLS LAST;
