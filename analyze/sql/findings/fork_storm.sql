-- Many short-lived processes of one kind.
--
-- At least 100 processes of one command and one parent command began and ended in the window, half of them within
-- 100 ms, at 10 a second or more. Each parent process started at least 5 of them, and 90 % of them started no
-- process themselves, which leaves out compilers and other tools that a build starts once per file. High if they
-- used 25 % of a CPU meanwhile, medium from 5 % on.
--
-- needs: finding.process, finding.span, unfiltered.process_key
-- kept: window
CREATE VIEW finding.fork_storm(
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
children AS (
    SELECT c.process_key, c.comm, c.ppid, c.parent_start, c.parent_comm, c.began_ns, c.ended_ns, c.lifetime_ns, c.cpu_s
    FROM finding.process AS c
    CROSS JOIN finding.span AS s
    WHERE c.ended_here AND c.began_ns >= s.began_ns
),
parents AS (
    SELECT DISTINCT parent_key
    FROM finding.process
),
storms AS (
    SELECT
        c.comm,
        c.parent_comm,
        COUNT(*) AS processes,
        COUNT(DISTINCT unfiltered.process_key(c.ppid, c.parent_start)) AS parents,
        COUNT(p.parent_key) AS with_children,
        MIN(c.ppid) AS ppid,
        MIN(c.parent_start) AS parent_start,
        MEDIAN(c.lifetime_ns) / 1e6 AS median_ms,
        SUM(c.cpu_s) AS cpu_s,
        GREATEST(MAX(c.ended_ns) - MIN(c.began_ns), 1000000000) / 1e9 AS spread_s
    FROM children AS c
    LEFT JOIN parents AS p ON p.parent_key = c.process_key
    GROUP BY c.comm, c.parent_comm
)
SELECT
    CASE
        WHEN cpu_s >= 0.25 * spread_s THEN 'high'
        WHEN cpu_s >= 0.05 * spread_s THEN 'medium'
        ELSE 'low'
    END,
    COALESCE(cpu_s / spread_s, 0),
    CASE WHEN parents = 1 THEN ppid END,
    CASE WHEN parents = 1 THEN parent_start END,
    COALESCE(parent_comm, '(no name)') || CASE WHEN parents = 1 THEN FORMAT(' ({})', ppid) ELSE '' END,
    FORMAT('started {:,} short-lived processes, ', processes) || COALESCE(comm, '(no name)')
    || FORMAT(', {:.0f} a second', processes / spread_s),
    FORMAT('{:,} processes in {:.1f} s, {:.1f} a second; parents: {:,}; median lifetime {:.1f} ms', processes, spread_s,
        processes / spread_s, parents, median_ms)
    || COALESCE(FORMAT('; {:.3f} s of CPU time ({:.1f} % of one CPU)', cpu_s, 100 * cpu_s / spread_s), ''),
    '100 processes, 10 a second, half of them below 100 ms, 5 per parent, 90 % without children',
    'storms',
    'cpu, exit, fork'
FROM storms
WHERE processes >= 100
    AND processes >= 10 * spread_s
    AND median_ms <= 100
    AND processes >= 5 * parents
    AND with_children <= 0.1 * processes;
