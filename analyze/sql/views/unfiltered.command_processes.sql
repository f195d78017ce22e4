-- The processes of the command that was recorded: the command itself, and all that descend from it.
--
-- Empty if there was none. The parent of a process is the one that forked it, also if that has ended since. At most 1,000
-- generations. A trace of an older version that has only a command's processes does not say which one is the command: there
-- it is all of them.
--
-- needs: unfiltered.processes
-- kept: recording
CREATE VIEW unfiltered.command_processes(
    -- What identifies the process: a struct of `pid` and `start`.
    process_key,
    -- How many generations it is from the command; 0: the command; NULL in traces of older versions.
    generation
) AS
WITH RECURSIVE
-- `place` is the process's rank in time. A parent ranks before its child, so even a damaged trace has no cycle.
placed AS MATERIALIZED (
    SELECT process_key, pid, ppid, parent_key, ROW_NUMBER() OVER (ORDER BY start NULLS FIRST, pid) AS place
    FROM unfiltered.processes
),
edges AS MATERIALIZED (
    SELECT child.process_key, child.place, parent.place AS parent_place
    FROM placed AS child
    JOIN placed AS parent ON parent.process_key = child.parent_key AND parent.place < child.place
),
descendants AS (
    SELECT process_key, place, 0 AS generation
    FROM placed
    WHERE place = (
        SELECT MIN(place)
        FROM placed
        WHERE pid = getvariable('command_pid') AND ppid = getvariable('recorder_pid')
    )
    UNION ALL
    SELECT e.process_key, e.place, d.generation + 1
    FROM descendants AS d
    JOIN edges AS e ON e.parent_place = d.place
    WHERE d.generation < 1000
)
SELECT process_key, generation
FROM descendants
UNION ALL
SELECT process_key, NULL
FROM unfiltered.processes
WHERE getvariable('only_command') AND getvariable('command_pid') IS NULL;
