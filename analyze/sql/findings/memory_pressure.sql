-- The machine is short of memory.
--
-- Tasks waited for memory for at least 5 % of a window of 5 s or more (pressure, /proc/pressure/memory), or less
-- than 3 % of the memory was available at a snapshot. High if all tasks waited for 5 %, or less than 1 % was
-- available.
--
-- needs: finding.span, main.machine
-- kept: window
CREATE VIEW finding.memory_pressure(
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
    || COALESCE(FORMAT(': tasks waited for it for {:.1f} % of the time', 100 * t.some_s / s.counted_s), '')
    || COALESCE(FORMAT(', as little as {:.1f} % was available', t.available_pct), ''),
    FORMAT('in {:.1f} s', s.counted_s)
    || COALESCE(FORMAT(', at least one task waited for memory for {:.3f} s', t.some_s), '')
    || COALESCE(FORMAT(', all tasks for {:.3f} s', t.full_s), '')
    || COALESCE(FORMAT(', as little as {:.1f} MiB was available', t.available_bytes / 1048576.0), ''),
    'tasks waiting for 5 % of a window of 5 s, or less than 3 % of memory available',
    'memory',
    'machine'
FROM totals AS t
CROSS JOIN finding.span AS s
WHERE s.counted_s >= 5 AND (t.some_s >= 0.05 * s.counted_s OR t.available_pct < 3);
