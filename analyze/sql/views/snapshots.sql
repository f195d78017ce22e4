-- Each snapshot: when it was taken, and how long after the one before.
--
-- The first is counted from the start of the recording, and its end is a snapshot too. What `cpu`, `syscall_stats` and
-- other kinds count at `ts` they counted in that time.
--
-- needs: main.recording, unfiltered.clocks
CREATE VIEW snapshots(
    -- When it was taken.
    ts,
    -- Time since the snapshot before [ns].
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
