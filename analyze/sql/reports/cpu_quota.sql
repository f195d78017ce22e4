-- CPU quotas of control groups: how often each was used up, and for how long its threads were stopped.
--
-- As the kernel counts it (`cpu.stat`), of both versions of control groups, whatever the filter. When a group has used up
-- the quota of a period, its threads stop until the next. Until Linux 6.18 such time of a thread is part of its time as
-- runnable; since then it is 'throttled' in `wall_time`.
--
-- needs: main.cgroup_limits
CREATE VIEW report.cpu_quota(
    -- Path of the group.
    cgroup,
    -- CPUs that it may use.
    quota_cpus,
    -- Length of a period [ms].
    period_ms,
    -- Periods in which one of its threads could run.
    periods,
    -- Those of them in which it used up the quota.
    throttled,
    -- The same as a share [%].
    throttled_pct,
    -- Time for which it was throttled, added over the CPUs on which it had threads [s].
    throttled_s,
    -- 'unified' for version 2 of control groups, 'cpu' for version 1.
    hierarchy,
    -- Id of the group in that hierarchy.
    limited_group
) AS
SELECT
    MAX(cgroup_path),
    MAX_BY(quota_ns / period_ns, ts),
    MAX_BY(period_ns, ts) / 1e6,
    TRY_CAST(SUM(quota_periods) AS BIGINT),
    TRY_CAST(SUM(throttled_periods) AS BIGINT),
    100 * SUM(throttled_periods) / NULLIF(SUM(quota_periods), 0),
    SUM(throttled_ns) / 1e9,
    hierarchy,
    limited_group
FROM main.cgroup_limits
WHERE quota_ns IS NOT NULL
GROUP BY hierarchy, limited_group
ORDER BY SUM(throttled_ns) DESC NULLS LAST, MAX(cgroup_path), hierarchy, limited_group;
