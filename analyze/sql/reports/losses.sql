-- What is missing from the trace, and why.
--
-- Empty if nothing was lost. Losses are for the whole machine: they are not known per process, so a process filter
-- does not change them. `sysmon schema loss` explains each cause.
--
-- needs: main.losses, unfiltered.clocks
CREATE VIEW report.losses(
    -- Why, such as 'ring full' or 'map full'.
    cause,
    -- The kind of row, map, string or program concerned.
    place,
    -- How many.
    lost,
    -- Snapshot at which the loss was first seen; it occurred between the previous snapshot and this one.
    first_seen,
    -- Snapshot at which it was last seen.
    last_seen,
    -- The previous snapshot, or the start of the recording: nothing was lost before it.
    not_before
) AS
SELECT
    l.cause,
    l.place,
    TRY_CAST(SUM(l.lost) AS BIGINT) AS lost_in_all,
    MIN(l.ts),
    MAX(l.ts),
    MIN(c.ts)
FROM main.losses AS l
ASOF LEFT JOIN unfiltered.clocks AS c ON l.ts > c.ts
GROUP BY l.cause, l.place
HAVING SUM(l.lost) > 0 OR SUM(l.lost) IS NULL
ORDER BY lost_in_all DESC NULLS LAST, l.cause NULLS LAST, l.place NULLS LAST;
