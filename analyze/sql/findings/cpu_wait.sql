-- A process that waits for a CPU when it could run.
--
-- The threads of a process were ready to run and had no CPU for at least 30 % of the time that they wanted to run, for
-- 2 s or more, which is 20 % of the window, of 5 s or more. Where the CPUs were busy for less than 50 % of the window
-- it says so: then the process was kept from them, by a CPU quota of its control group or by its affinity; that is high
-- from 75 % on. Elsewhere one cause makes all of them wait, so that they are one finding, of that which waited most, and
-- none where the machine has too few CPUs: that finding (`cpu_saturation`) names them. A process of low priority waits
-- by intent; priorities are not recorded.
--
-- needs: finding.cpu_saturation, finding.process, finding.span, main.host
-- kept: window
CREATE VIEW finding.cpu_wait(
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
    FORMAT('waited {:.1f} s for a CPU, {:.0f} % of the time it wanted one', wait_s, wait_pct)
    || CASE WHEN is_kept_off THEN ', though CPUs were idle' WHEN beside > 0 THEN FORMAT(', and so did {} more', beside) ELSE '' END,
    FORMAT('{:.3f} s of waiting and {:.3f} s of CPU time in a window of {:.1f} s', wait_s, cpu_s, counted_s)
    || COALESCE(FORMAT('; the CPUs were busy {:.1f} % of it', busy_pct), '')
    || CASE
        WHEN NOT is_kept_off AND beside > 0 THEN '; so did ' || ARRAY_TO_STRING(others, ', ') || CASE WHEN beside > 10 THEN ', ...' ELSE '' END
        ELSE ''
    END,
    'waiting 30 % of the time that it wanted to run, 2 s and 20 % of a window of 5 s',
    'runqueue' || CASE WHEN is_kept_off OR beside = 0 THEN FORMAT(' --pid {}', pid) ELSE '' END,
    'cpu, host'
FROM ranked
WHERE is_kept_off OR place = 1;
