-- Memory by command
--
-- Largest resident memory of one process of the command: at a snapshot or, for a process that began and ended in the
-- recording, its peak. Commands for which it is known in both recordings; a change must be at least 1 MiB.
CREATE VIEW diff.memory(
    -- Command name; NULL if unknown.
    command,
    -- Whether it changed.
    changed,
    -- Largest resident memory of one process [MiB].
    peak_before_mib,
    -- The same, after.
    peak_after_mib,
    -- Processes for which it is known.
    processes_before,
    -- The same, after.
    processes_after
) AS
WITH judged AS (
    SELECT
        b.command,
        diff.apart(b.peak_mib, a.peak_mib) AND ABS(a.peak_mib - b.peak_mib) >= 1 AS changed,
        b.peak_mib AS peak_before_mib,
        a.peak_mib AS peak_after_mib,
        b.processes AS processes_before,
        a.processes AS processes_after
    FROM sides.memory AS b
    JOIN sides.memory AS a ON a.command IS NOT DISTINCT FROM b.command AND a.is_after
    WHERE NOT b.is_after
        AND (LEN(getvariable('comms')) = 0 OR LIST_CONTAINS(getvariable('comms'), b.command))
)
SELECT command, changed, peak_before_mib, peak_after_mib, processes_before, processes_after
FROM judged
WHERE changed OR getvariable('unchanged')
ORDER BY NOT changed, ABS(peak_after_mib - peak_before_mib) DESC, command NULLS LAST;
