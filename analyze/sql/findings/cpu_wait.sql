-- A process that is ready to run but waits for a CPU.
--
-- The threads of a process waited for a CPU for at least 30 % of the time in which they could run, for 2 s or more,
-- and 20 % of a window of 5 s or more. If the CPUs were busy for less than 50 % of the window, a CPU quota of its
-- control group or its affinity kept the process from running, and the finding says that CPUs were idle; high from
-- 75 % on. Otherwise all such processes share one cause, so there is one finding, about the process that waited
-- most. There is none if the machine has too few CPUs: `cpu_saturation` names them. A process with a low priority
-- waits by design; priorities are not recorded.
--
-- needs: finding.cpu_saturation, finding.process, finding.span, main.host
-- kept: window
CREATE VIEW finding.cpu_wait(
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
WITH
busy AS (
    SELECT 100.0 * SUM(wanted_ns) / NULLIF(SUM(online_ns), 0) AS busy_pct
    FROM main.host
),
facts AS (
    SELECT
        p.*,
        s.counted_s,
        b.busy_pct,
        COALESCE(b.busy_pct < 50, FALSE) AS is_kept_off,
        100 * p.wait_s / NULLIF(p.wait_s + p.cpu_s, 0) AS wait_pct
    FROM finding.process AS p
    CROSS JOIN finding.span AS s
    CROSS JOIN busy AS b
    WHERE NOT EXISTS (FROM finding.cpu_saturation)
),
ranked AS (
    SELECT
        *,
        ROW_NUMBER() OVER (ORDER BY wait_s DESC, pid, start) AS place,
        COUNT(*) OVER () - 1 AS beside,
        ARRAY_AGG(COALESCE(comm, '(no name)') || FORMAT(' ({}) {:.1f} s', pid, wait_s)) OVER (
            ORDER BY wait_s DESC, pid, start ROWS BETWEEN 1 FOLLOWING AND 10 FOLLOWING
        ) AS others
    FROM facts
    WHERE wait_pct >= 30 AND wait_s >= 2 AND wait_s >= 0.2 * counted_s AND counted_s >= 5
)
SELECT
    CASE WHEN is_kept_off AND wait_pct >= 75 THEN 'high' ELSE 'medium' END,
    wait_s / counted_s,
    pid,
    start,
    NULL,
    FORMAT('waited {:.1f} s for a CPU, {:.0f} % of the time it could run', wait_s, wait_pct)
    || CASE WHEN is_kept_off THEN ', although CPUs were idle' WHEN beside > 0 THEN FORMAT(', as did {} more', beside) ELSE '' END,
    FORMAT('{:.3f} s waiting and {:.3f} s of CPU time in a window of {:.1f} s', wait_s, cpu_s, counted_s)
    || COALESCE(FORMAT('; the CPUs were {:.1f} % busy', busy_pct), '')
    || CASE
        WHEN NOT is_kept_off AND beside > 0 THEN '; also ' || ARRAY_TO_STRING(others, ', ') || CASE WHEN beside > 10 THEN ', ...' ELSE '' END
        ELSE ''
    END,
    'waiting for 30 % of the time it could run, for 2 s and 20 % of a window of 5 s',
    'runqueue' || CASE WHEN is_kept_off OR beside = 0 THEN FORMAT(' --pid {}', pid) ELSE '' END,
    'cpu, host'
FROM ranked
WHERE is_kept_off OR place = 1;
