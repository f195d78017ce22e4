-- More threads want to run than the machine has CPUs.
--
-- The CPUs were busy for at least 90 % of the window, of 5 s or more, and meanwhile on average at least 1 thread for
-- each of them waited for it: high from 3 on. The waits are those of the processes that were recorded, so of a
-- recording of some processes they are the least that there was. The three processes that waited most are named.
--
-- needs: finding.process, finding.span, main.cpu, main.host, unfiltered.likely_wait
-- kept: window
CREATE VIEW finding.cpu_saturation(
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
    SELECT SUM(wanted_ns) AS busy_ns, SUM(online_ns) AS all_ns, COUNT(DISTINCT cpu) AS cpus
    FROM main.host
),
waits AS (
    SELECT SUM(unfiltered.likely_wait(wait_ns, voluntary_switches, involuntary_switches)) / 1e9 AS wait_s
    FROM main.cpu
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
    FORMAT('its {} CPUs were busy {:.1f} % of {:.1f} s, and threads waited {:.1f} s for them: {:.2f} at any moment',
        cpus, busy_pct, counted_s, wait_s, waiting)
    || COALESCE('; most of all ' || names, ''),
    'CPUs busy 90 %, 1 waiting thread for each CPU, a window of 5 s',
    'runqueue',
    'cpu, host'
FROM facts
WHERE busy_pct >= 90 AND waiting >= cpus AND counted_s >= 5;
