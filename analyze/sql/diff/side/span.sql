-- What a side of a comparison covers: its first and last instant, and the blocks that it is cut into.
--
-- One row. Counts are per snapshot, so a window covers the time between the snapshots just before its ends. Blocks
-- are of equal length, at most 32, and none is shorter than the interval between snapshots.
--
-- needs: main.host, main.recording, unfiltered.clocks
-- kept: window
CREATE VIEW diff.span(
    -- First instant, ns since 1970.
    began_ns,
    -- From there to the last instant [ns]; 0 if the window holds nothing.
    length_ns,
    -- Blocks.
    blocks,
    -- Busy time of the CPUs as a share of all their time [%]; NULL if not recorded.
    busy_pct
) AS
WITH
edges AS (
    SELECT
        EPOCH_NS(r.started) AS started,
        EPOCH_NS(r.ended) AS ended,
        EPOCH_NS(r.since) AS since,
        EPOCH_NS(r.until) AS until,
        (SELECT MAX(EPOCH_NS(ts)) FROM unfiltered.clocks AS c WHERE c.ts <= r.since) AS snapshot_before,
        (SELECT MAX(EPOCH_NS(ts)) FROM unfiltered.clocks AS c WHERE c.ts <= r.until) AS last_snapshot
    FROM main.recording AS r
),
cut AS (
    SELECT
        GREATEST(started, COALESCE(snapshot_before, since, started)) AS began,
        LEAST(ended, COALESCE(last_snapshot, until, ended)) AS ended
    FROM edges
),
lengths AS (SELECT began, GREATEST(ended - began, 0) AS length FROM cut)
SELECT
    began,
    length,
    CAST(GREATEST(1, LEAST(32, FLOOR(length / GREATEST(getvariable('interval_ns'), 1.0)))) AS INTEGER),
    (SELECT 100.0 * SUM(wanted_ns) / NULLIF(SUM(online_ns), 0) FROM main.host)
FROM lengths;
