-- More threads want to run than the machine has CPUs.
--
-- The CPUs were busy for at least 90 % of a window of 5 s or more, while on average at least 1 thread per CPU waited
-- for one. High from 3 on. Only waits of recorded processes count, so if only some processes were recorded the real
-- number is higher. The three processes that waited most are named.
--
-- needs: finding.process, finding.span, main.cpu, main.host, unfiltered.likely_wait
-- kept: window
CREATE VIEW finding.cpu_saturation(
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
    SELECT SUM(wanted_ns) AS busy_ns, SUM(online_ns) AS all_ns, COUNT(DISTINCT cpu) AS cpus
    FROM main.host
),
waits AS (
    SELECT SUM(unfiltered.likely_wait(wait_ns, voluntary, involuntary)) / 1e9 AS wait_s
    FROM (
        SELECT SUM(wait_ns) AS wait_ns, SUM(voluntary_switches) AS voluntary, SUM(involuntary_switches) AS involuntary
        FROM main.cpu
        WHERE waited_for IS DISTINCT FROM 'throttled'
        GROUP BY ts, process_key
    )
),
longest AS (
    SELECT STRING_AGG(COALESCE(comm, '(no name)') || FORMAT(' ({}) {:.1f} s', pid, wait_s), ', ' ORDER BY wait_s DESC, pid, start) AS names
    FROM (FROM finding.process WHERE wait_s > 0 ORDER BY wait_s DESC, pid, start LIMIT 3)
),
facts AS (
    SELECT l.names, b.cpus, 100.0 * b.busy_ns / NULLIF(b.all_ns, 0) AS busy_pct, w.wait_s, s.counted_s,
        w.wait_s / NULLIF(s.counted_s, 0) AS waiting
    FROM busy AS b
    CROSS JOIN waits AS w
    CROSS JOIN finding.span AS s
    CROSS JOIN longest AS l
)
SELECT
    CASE WHEN waiting >= 3 * cpus THEN 'high' ELSE 'medium' END,
    waiting / cpus,
    NULL,
    NULL,
    'the machine',
    FORMAT('has too few CPUs: {:.1f} threads wait for {} CPUs', waiting, cpus),
    FORMAT('{} CPUs were busy for {:.1f} % of {:.1f} s, and threads waited {:.1f} s for them: {:.2f} threads on average',
        cpus, busy_pct, counted_s, wait_s, waiting)
    || COALESCE('; those that waited most: ' || names, ''),
    'CPUs 90 % busy, 1 waiting thread per CPU, a window of 5 s',
    'runqueue',
    'cpu, host'
FROM facts
WHERE busy_pct >= 90 AND waiting >= cpus AND counted_s >= 5;
