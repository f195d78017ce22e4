-- What is missing from the trace, and why.
--
-- Empty if nothing was lost. Losses are of the whole machine: they cannot be told apart by process, so a filter by
-- process does not change them. `sysmon schema loss` says what each cause means.
CREATE VIEW report.losses(
    -- Why, such as 'ring full' or 'map full'.
    cause,
    -- The kind of row, the map, string or program concerned.
    place,
    -- How many.
    lost,
    -- Snapshot at which the loss was first seen.
    first_seen,
    -- Snapshot at which it was last seen.
    last_seen
) AS
SELECT
    cause,
    place,
    TRY_CAST(SUM(lost) AS BIGINT) AS lost_in_all,
    MIN(ts),
    MAX(ts)
FROM main.losses
GROUP BY cause, place
HAVING SUM(lost) > 0 OR SUM(lost) IS NULL
ORDER BY lost_in_all DESC NULLS LAST, cause NULLS LAST, place NULLS LAST;
