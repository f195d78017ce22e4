-- A process that the CPU quota of its control group stops.
--
-- Its threads were throttled for at least 20 % of the time in which they could have run, for 1 s or more; high from
-- 50 % on. The kernel throttles a thread when its control group has used up the quota of a period (`cpu.max`,
-- `cpu.cfs_quota_us`) and lets it run again in the next. On kernels before 6.18, where that is not known of a thread, the
-- finding is about a group that used up its quota in at least 20 % of 10 or more periods, and was throttled for 1 s; high
-- from 50 % on.
--
-- needs: finding.process, finding.span, main.cpu, main.processes, report.cpu_quota
-- kept: window
CREATE VIEW finding.cpu_quota(
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
throttled AS (
    SELECT process_key, SUM(waits) AS times, SUM(waited_ns) / 1e9 AS throttled_s, MAX(max_waited_ns) / 1e6 AS longest_ms
    FROM main.cpu
    WHERE waited_for = 'throttled'
    GROUP BY process_key
),
facts AS (
    SELECT
        p.pid, p.start, p.wait_s, p.cpu_s, s.counted_s, q.cgroup, t.*,
        100 * t.throttled_s / (t.throttled_s + COALESCE(p.wait_s, 0) + COALESCE(p.cpu_s, 0)) AS share_pct
    FROM throttled AS t
    JOIN main.processes AS q ON q.process_key = t.process_key
    JOIN finding.process AS p ON p.process_key = t.process_key
    CROSS JOIN finding.span AS s
    WHERE t.throttled_s >= 1
)
SELECT
    CASE WHEN share_pct >= 50 THEN 'high' ELSE 'medium' END,
    throttled_s / NULLIF(counted_s, 0),
    pid,
    start,
    NULL,
    FORMAT(
        'was throttled for {:.1f} s by the CPU quota of its control group, {:.0f} % of the time it could run',
        throttled_s, share_pct
    ),
    FORMAT(
        'throttled {} times, {:.3f} s in all and {:.0f} ms at most; {:.3f} s of CPU time',
        CAST(times AS BIGINT), throttled_s, longest_ms, COALESCE(cpu_s, 0)
    )
    || COALESCE(' in the group ' || NULLIF(cgroup, '/'), ''),
    'throttled for 20 % of the time it could run, and for 1 s',
    FORMAT('wall_time --pid {}', pid),
    'cpu'
FROM facts
WHERE share_pct >= 20
UNION ALL
SELECT
    CASE WHEN throttled_pct >= 50 THEN 'high' ELSE 'medium' END,
    throttled_pct / 100,
    NULL,
    NULL,
    'the control group ' || cgroup,
    FORMAT('was throttled by its CPU quota in {:.0f} % of the periods', throttled_pct),
    FORMAT(
        'in {:,} of {:,} periods of {:.0f} ms, for {:.3f} s in all, with a quota of {:.2f} CPUs',
        throttled, periods, period_ms, throttled_s, quota_cpus
    ),
    'throttled in 20 % of 10 periods, and for 1 s',
    'cpu_quota',
    'cgroup_limit'
FROM report.cpu_quota
WHERE throttled_pct >= 20 AND periods >= 10 AND throttled_s >= 1
    AND NOT EXISTS (SELECT 1 FROM throttled);
