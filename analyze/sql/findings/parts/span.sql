-- Length of the window, in one row.
--
-- Counts per snapshot belong to the window in which their interval ends, so they cover the time from the last
-- snapshot before the window to the last one in it: no time if there is none in it. In a trace without snapshots this is
-- the window itself.
--
-- needs: main.recording, unfiltered.clocks
-- kept: window
CREATE VIEW finding.span(
    -- First instant of the window, since 1970 [ns].
    began_ns,
    -- Last instant of the window [ns].
    ended_ns,
    -- Length of the window [s], which events belong to.
    wall_s,
    -- First instant of what was counted [ns].
    counted_from_ns,
    -- Last instant of what was counted [ns].
    counted_to_ns,
    -- Time between the two [s].
    counted_s
) AS
WITH
wanted AS (
    SELECT
        EPOCH_NS(GREATEST(started, COALESCE(since, started))) AS began_ns,
        EPOCH_NS(LEAST(ended, COALESCE(until, ended))) AS ended_ns,
        since,
        until
    FROM main.recording
),
steps AS (
    SELECT ts, LAG(ts) OVER (ORDER BY ts) AS before
    FROM unfiltered.clocks
),
counted AS (
    SELECT
        EPOCH_NS(MIN(s.before) FILTER (is_in)) AS from_ns,
        EPOCH_NS(MAX(s.ts) FILTER (is_in)) AS to_ns,
        COUNT(s.before) > 0 AND COUNT(*) FILTER (is_in) = 0 AS is_none
    FROM (
        SELECT s.*, (w.since IS NULL OR s.ts > w.since) AND (w.until IS NULL OR s.ts <= w.until) AS is_in
        FROM steps AS s
        CROSS JOIN wanted AS w
    ) AS s
)
SELECT
    w.began_ns,
    w.ended_ns,
    GREATEST(w.ended_ns - w.began_ns, 0) / 1e9,
    COALESCE(c.from_ns, w.began_ns),
    COALESCE(c.to_ns, CASE WHEN c.is_none THEN w.began_ns ELSE w.ended_ns END),
    CASE
        WHEN c.is_none THEN 0
        ELSE GREATEST(COALESCE(c.to_ns, w.ended_ns) - COALESCE(c.from_ns, w.began_ns), 0) / 1e9
    END
FROM wanted AS w
CROSS JOIN counted AS c;
