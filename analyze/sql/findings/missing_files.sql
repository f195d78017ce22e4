-- Many opens of files that do not exist.
--
-- The processes of one command failed to open missing files at least 1,000 times, 50 times a second on average, in
-- at least half of their opens. Per process they tried each name, in any directory, at least 10 times on average,
-- and this took at least 0.1 s and 1 % of the window. Medium from 5 % on. So the program walks a long search path,
-- or keeps asking for the same file. Thousands of failed opens that take some milliseconds do no harm. Programs that
-- look in a few directories, such as compilers for headers, are left out. Only opens count; for stat and access see
-- `errno_storm`.
--
-- needs: finding.process, finding.span, main.opens
-- kept: window
CREATE VIEW finding.missing_files(
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
-- First by process, without looking at paths: this excludes most commands.
opened AS (
    SELECT process_key,
        COUNT(*) AS opens,
        COUNT(CASE WHEN error IN ('ENOENT', 'ENOTDIR') THEN 1 END) AS failed
    FROM main.opens
    GROUP BY process_key
),
by_command AS (
    SELECT p.comm, SUM(o.opens) AS opens
    FROM opened AS o
    JOIN finding.process AS p ON p.process_key = o.process_key
    CROSS JOIN finding.span AS s
    GROUP BY p.comm
    HAVING SUM(o.failed) >= 1000 AND SUM(o.failed) >= 0.5 * SUM(o.opens) AND SUM(o.failed) >= 50 * MAX(s.wall_s)
),
missing AS (
    SELECT o.process_key, c.comm, c.opens, o.latency_ns, o.name AS place, REGEXP_EXTRACT(o.path, '[^/]*$') AS name
    FROM main.opens AS o
    JOIN finding.process AS p ON p.process_key = o.process_key
    JOIN by_command AS c ON c.comm IS NOT DISTINCT FROM p.comm
    WHERE o.error IN ('ENOENT', 'ENOTDIR')
),
failed AS (
    SELECT
        comm,
        TRY_CAST(MAX(opens) AS BIGINT) AS opens,
        COUNT(*) AS failed,
        COUNT(DISTINCT (process_key, name)) AS names,
        COUNT(DISTINCT process_key) AS processes,
        COUNT(DISTINCT place) AS paths,
        MIN(process_key.pid) AS pid,
        MIN(process_key.start) AS start,
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
    FORMAT('opens files that do not exist: {:,} of {:,} opens failed', f.failed, f.opens),
    FORMAT('{:,} of {:,} opens failed with ENOENT or ENOTDIR ({:.0f} a second, {:.3f} s in total): {:,} path{}, each name tried '
        || '{:.1f} times per process', f.failed, f.opens, f.failed / s.wall_s, f.failed_s, f.paths,
        CASE WHEN f.paths = 1 THEN '' ELSE 's' END, f.failed / f.names),
    '1,000 opens of missing files, 50 a second, half of all opens, 10 per name and process, 0.1 s and 1 % of the window',
    'file_errors' || CASE WHEN f.processes = 1 THEN FORMAT(' --pid {}', f.pid) ELSE '' END,
    'open'
FROM failed AS f
CROSS JOIN finding.span AS s
WHERE f.failed >= 10 * f.names AND f.failed_s >= 0.1 AND f.failed_s >= 0.01 * s.wall_s;
