-- Each snapshot: when it was taken, and how long after the previous one.
--
-- The first interval begins at the start of the recording, and the end of the recording is a snapshot too. Counts of
-- `cpu`, `syscall_stats` and other kinds at `ts` are for that interval.
--
-- needs: main.recording, unfiltered.clocks
CREATE VIEW snapshots(
    -- When it was taken.
    ts,
    -- Time since the previous snapshot [ns].
    interval_ns
) AS
WITH
instants AS (
    SELECT ts
    FROM unfiltered.clocks
    WHERE ts IS NOT NULL
    GROUP BY ts
),
spans AS (
    SELECT ts, EPOCH_NS(ts) - LAG(EPOCH_NS(ts)) OVER (ORDER BY ts) AS interval_ns
    FROM instants
)
SELECT s.ts, s.interval_ns
FROM spans AS s
CROSS JOIN main.recording AS r
WHERE s.interval_ns IS NOT NULL
    AND (r.since IS NULL OR s.ts > r.since)
    AND (r.until IS NULL OR s.ts <= r.until);
