-- The hypervisor gives the machine less CPU time than it wants.
--
-- While the CPUs had work, the hypervisor ran something else for at least 5 % of that time, and for 1 s or more, in
-- a window of 5 s or more. High from 20 % on. Processes are slower by that much, and none of them is the cause:
-- other virtual machines on the host are, or a limit set by the provider. This time is not waiting for a CPU: the
-- thread had its CPU, and the CPU stood still.
--
-- needs: finding.span, main.host
-- kept: window
CREATE VIEW finding.stolen(
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
        SUM(stolen_ns) / 1e9 AS stolen_s,
        SUM(CASE WHEN stolen_ns IS NOT NULL THEN wanted_ns END) / 1e9 AS wanted_s,
        COUNT(DISTINCT cpu) AS cpus
    FROM main.host
)
SELECT
    CASE WHEN t.stolen_s >= 0.2 * t.wanted_s THEN 'high' ELSE 'medium' END,
    t.stolen_s / t.wanted_s,
    NULL,
    NULL,
    'the machine',
    FORMAT('lost {:.0f} % of its CPU time to the hypervisor', 100 * t.stolen_s / t.wanted_s),
    FORMAT('{:.2f} s were stolen from {} CPUs, which had work for {:.2f} s of {:.1f} s', t.stolen_s, t.cpus, t.wanted_s, s.counted_s),
    '5 % of the time in which CPUs had work, 1 s, a window of 5 s',
    'cpus',
    'host'
FROM totals AS t
CROSS JOIN finding.span AS s
WHERE s.counted_s >= 5 AND t.stolen_s >= 1 AND t.stolen_s >= 0.05 * t.wanted_s;
