-- The machine is short of memory.
--
-- Work of the machine waited for memory for at least 5 % of a window of 5 s or more (pressure, /proc/pressure/memory),
-- or less than 3 % of its memory was available at a snapshot. High if all work waited for 5 %, or less than 1 % was
-- available.
--
-- needs: finding.span, main.machine
-- kept: window
CREATE VIEW finding.memory_pressure(
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
    SELECT
        SUM(memory_some_ns) / 1e9 AS some_s,
        SUM(memory_full_ns) / 1e9 AS full_s,
        MIN(100.0 * mem_available_bytes / NULLIF(mem_total_bytes, 0)) AS available_pct,
        MIN(mem_available_bytes) AS available_bytes
    FROM main.machine
)
SELECT
    CASE WHEN t.full_s >= 0.05 * s.counted_s OR t.available_pct < 1 THEN 'high' ELSE 'medium' END,
    COALESCE(t.some_s / s.counted_s, 0),
    NULL,
    NULL,
    'the machine',
    'is short of memory'
    || COALESCE(FORMAT(': work waited for it {:.1f} % of the time', 100 * t.some_s / s.counted_s), '')
    || COALESCE(FORMAT(', the least available was {:.1f} %', t.available_pct), ''),
    FORMAT('in {:.1f} s', s.counted_s)
    || COALESCE(FORMAT(', some work waited for memory {:.3f} s', t.some_s), '')
    || COALESCE(FORMAT(', all work {:.3f} s', t.full_s), '')
    || COALESCE(FORMAT(', the least available was {:.1f} MiB', t.available_bytes / 1048576.0), ''),
    'some work waiting 5 % of a window of 5 s, or less than 3 % of memory available',
    'memory',
    'machine'
FROM totals AS t
CROSS JOIN finding.span AS s
WHERE s.counted_s >= 5 AND (t.some_s >= 0.05 * s.counted_s OR t.available_pct < 3);
