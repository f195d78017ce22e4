-- Many files are looked for where they are not.
--
-- The processes of one command failed to open files that do not exist at least 1,000 times, 50 times a second on
-- average, in at least half of their opens, and tried each name, in any directory, at least 10 times on average in one
-- process, which took at least 0.1 s and 1 % of the window: medium from 5 % on. So it walks a long search path, or asks
-- again and again for the same. Thousands of failed opens that take some milliseconds do no harm. Programs that look in
-- a few directories, as compilers do for headers, are left out. Only opens; stat and access are in the rule
-- `errno_storm`.
--
-- needs: finding.process, finding.span, main.opens
-- kept: window
CREATE VIEW finding.missing_files(
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
-- First by process, without a look at the paths: most commands are out of it then.
opened AS (
    SELECT pid, start,
        COUNT(*) AS opens,
        COUNT(CASE WHEN error IN ('ENOENT', 'ENOTDIR') THEN 1 END) AS failed
    FROM main.opens
    GROUP BY pid, start
),
by_command AS (
    SELECT p.comm, SUM(o.opens) AS opens
    FROM opened AS o
    JOIN finding.process AS p ON p.pid = o.pid AND p.start IS NOT DISTINCT FROM o.start
    CROSS JOIN finding.span AS s
    GROUP BY p.comm
    HAVING SUM(o.failed) >= 1000 AND SUM(o.failed) >= 0.5 * SUM(o.opens) AND SUM(o.failed) >= 50 * MAX(s.wall_s)
),
missing AS (
    SELECT o.pid, o.start, c.comm, c.opens, o.latency_ns, o.name AS place, REGEXP_EXTRACT(o.path, '[^/]*$') AS name
    FROM main.opens AS o
    JOIN finding.process AS p ON p.pid = o.pid AND p.start IS NOT DISTINCT FROM o.start
    JOIN by_command AS c ON c.comm IS NOT DISTINCT FROM p.comm
    WHERE o.error IN ('ENOENT', 'ENOTDIR')
),
failed AS (
    SELECT
        comm,
        TRY_CAST(MAX(opens) AS BIGINT) AS opens,
        COUNT(*) AS failed,
        COUNT(DISTINCT (pid, start, name)) AS names,
        COUNT(DISTINCT (pid, start)) AS processes,
        COUNT(DISTINCT place) AS paths,
        MIN(pid) AS pid,
        MIN(start) AS start,
        SUM(latency_ns) / 1e9 AS failed_s
    FROM missing
    GROUP BY comm
)
SELECT
    CASE WHEN f.failed_s >= 0.05 * s.wall_s THEN 'medium' ELSE 'low' END,
    f.failed_s / s.wall_s,
    CASE WHEN f.processes = 1 THEN f.pid END,
    CASE WHEN f.processes = 1 THEN f.start END,
    CASE WHEN f.processes > 1 THEN FORMAT('{:,} × ', f.processes) || COALESCE(f.comm, '(no name)') END,
    FORMAT('looked in vain for files: {:,} of {:,} opens failed', f.failed, f.opens),
    FORMAT('{:,} of {:,} opens failed with ENOENT or ENOTDIR ({:.0f} a second, {:.3f} s in all): {:,} path{}, each name tried '
        || '{:.1f} times in a process', f.failed, f.opens, f.failed / s.wall_s, f.failed_s, f.paths,
        CASE WHEN f.paths = 1 THEN '' ELSE 's' END, f.failed / f.names),
    '1,000 opens of what does not exist, 50 a second, half of all opens, 10 for each name and process, 0.1 s and 1 % of the window',
    'file_errors' || CASE WHEN f.processes = 1 THEN FORMAT(' --pid {}', f.pid) ELSE '' END,
    'open'
FROM failed AS f
CROSS JOIN finding.span AS s
WHERE f.failed >= 10 * f.names AND f.failed_s >= 0.1 AND f.failed_s >= 0.01 * s.wall_s;
