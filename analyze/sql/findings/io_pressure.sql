-- The machine waits for its disks.
--
-- For at least 20 % of a window of 5 s or more all work of the machine that could have been done waited for I/O
-- (pressure, /proc/pressure/io, "full"). High from 50 % on.
--
-- needs: finding.span, main.machine
-- kept: window
CREATE VIEW finding.io_pressure(
    -- How much it matters: 'high', 'medium' or 'low'.
    severity,
    -- What it weighs among those of its severity, the more the worse; of most rules its share of the window.
    weight,
    -- Process id of the process concerned; NULL: none, or several.
    pid,
    -- When that process began, since boot [ns].
    start,
    -- What it is about; NULL: the process, by its name and id.
    subject,
    -- What is the matter with it, in words that follow on the subject.
    summary,
    -- The numbers that say so.
    evidence,
    -- From what on it is a finding.
    threshold,
    -- What shows more, as arguments of `sysmon report TRACE`.
    command,
    -- The kinds of rows that it rests on, in the order of the alphabet.
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
    FORMAT('waits for I/O: all of its work did for {:.0f} % of the time', 100 * t.full_s / s.counted_s),
    FORMAT('all work waited {:.3f} s of {:.1f} s', t.full_s, s.counted_s)
    || COALESCE(FORMAT(', some work {:.3f} s', t.some_s), ''),
    'all work waiting 20 % of a window of 5 s',
    'io',
    'machine'
FROM totals AS t
CROSS JOIN finding.span AS s
WHERE s.counted_s >= 5 AND t.full_s >= 0.2 * s.counted_s;
