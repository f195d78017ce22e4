-- The machine waits for its disks.
--
-- For at least 20 % of a window of 5 s or more, all tasks that had work waited for I/O (pressure, /proc/pressure/io,
-- "full"). High from 50 % on.
--
-- needs: finding.span, main.machine
-- kept: window
CREATE VIEW finding.io_pressure(
    -- Severity: 'high', 'medium' or 'low'.
    severity,
    -- Rank among findings of the same severity, higher is worse; for most rules the share of the window.
    weight,
    -- Process id of the process concerned; NULL if there is none or there are several.
    pid,
    -- Start time of that process, since boot [ns].
    start,
    -- What the finding is about; NULL for the process, shown by name and id.
    subject,
    -- What is wrong, as a continuation of the subject.
    summary,
    -- The evidence in numbers.
    evidence,
    -- The threshold.
    threshold,
    -- Arguments of `sysmon report TRACE` that show more.
    command,
    -- Kinds of rows it is based on, in alphabetical order.
    rests_on
) AS
WITH totals AS (
    SELECT SUM(io_some_ns) / 1e9 AS some_s, SUM(io_full_ns) / 1e9 AS full_s
    FROM main.machine
)
SELECT
    CASE WHEN t.full_s >= 0.5 * s.counted_s THEN 'high' ELSE 'medium' END,
    t.full_s / s.counted_s,
    NULL,
    NULL,
    'the machine',
    FORMAT('waits for I/O: all tasks with work waited for {:.0f} % of the time', 100 * t.full_s / s.counted_s),
    FORMAT('all tasks waited for {:.3f} s of {:.1f} s', t.full_s, s.counted_s)
    || COALESCE(FORMAT(', at least one for {:.3f} s', t.some_s), ''),
    'all tasks waiting for 20 % of a window of 5 s',
    'io',
    'machine'
FROM totals AS t
CROSS JOIN finding.span AS s
WHERE s.counted_s >= 5 AND t.full_s >= 0.2 * s.counted_s;
