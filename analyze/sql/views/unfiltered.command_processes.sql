-- The processes of the command that was recorded: the command itself, and all that descend from it.
--
-- Empty if there was none. If only the command was recorded, it is all of the trace. The parent of a process is the one that forked it, also if that has ended since.
--
-- needs: unfiltered.process_key, unfiltered.processes
-- kept: recording
CREATE VIEW unfiltered.command_processes(
    -- What identifies the process: a struct of `pid` and `start`.
    process_key,
    -- How many generations it is from the command; 0: the command; NULL in traces of older versions.
    generation
) AS
WITH RECURSIVE
descendants AS (
    SELECT process_key, 0 AS generation
    FROM (
        SELECT process_key
        FROM unfiltered.processes
        WHERE pid = getvariable('command_pid') AND ppid = getvariable('recorder_pid')
        ORDER BY start
        LIMIT 1
    )
    UNION
    SELECT p.process_key, d.generation + 1
    FROM descendants AS d
    JOIN unfiltered.processes AS p ON unfiltered.process_key(p.ppid, p.parent_start) = d.process_key
)
SELECT process_key, generation
FROM descendants
UNION ALL
SELECT process_key, NULL
FROM unfiltered.processes
WHERE getvariable('only_command') AND getvariable('command_pid') IS NULL;
