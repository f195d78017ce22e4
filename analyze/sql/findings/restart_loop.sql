-- A program that keeps failing and being restarted.
--
-- At least 5 processes of one command with the same parent command failed, in at least 80 % of the runs that ended
-- in the window, one after the other: none began before the previous one had ended. Failed means an exit status
-- other than 0, or a signal other than SIGPIPE, which is normal for a program whose reader has seen enough. Status 1
-- counts only if one process started all runs, and not for programs that use it to say no: grep, test, diff, cmp,
-- expr, pgrep, pidof, which, readlink and the like. High if a run began at least every 2 s on average.
--
-- needs: finding.process, unfiltered.process_key
-- kept: window
CREATE VIEW finding.restart_loop(
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
runs AS (
    SELECT c.*, COALESCE(c.exit_code <> 0 OR c.signal <> 13, FALSE) AS failed
    FROM finding.process AS c
    WHERE c.ended_here AND (c.exit_code IS NOT NULL OR c.signal IS NOT NULL)
),
placed AS (
    SELECT
        *,
        LAG(ended_ns) OVER (PARTITION BY command, parent_comm ORDER BY began_ns, pid) AS before_ns
    FROM runs
),
loops AS (
    SELECT
        comm,
        command,
        parent_comm,
        COUNT(*) AS runs,
        COUNT(CASE WHEN failed THEN 1 END) AS failed,
        COUNT(CASE WHEN before_ns > began_ns THEN 1 END) AS beside,
        COUNT(DISTINCT unfiltered.process_key(ppid, parent_start)) AS parents,
        MIN(ppid) AS ppid,
        MIN(parent_start) AS parent_start,
        MEDIAN(lifetime_ns) / 1e6 AS median_ms,
        MODE(exit_code) AS exit_code,
        MODE(signal) AS signal,
        (MAX(began_ns) - MIN(began_ns)) / 1e9 AS spread_s
    FROM placed
    GROUP BY comm, command, parent_comm
)
SELECT
    CASE WHEN runs >= 0.5 * spread_s THEN 'high' ELSE 'medium' END,
    failed / GREATEST(spread_s, 1),
    CASE WHEN parents = 1 THEN ppid END,
    CASE WHEN parents = 1 THEN parent_start END,
    COALESCE(comm, '(no name)'),
    FORMAT('keeps failing and being restarted: {:,} of {:,} runs failed', failed, runs)
    || COALESCE(', started by ' || parent_comm, '')
    || COALESCE(FORMAT(', status {}', exit_code), FORMAT(', signal {}', signal), ''),
    FORMAT('{:,} of {:,} runs failed within {:.1f} s, median lifetime {:.1f} ms; command: ', failed, runs, spread_s, median_ms)
    || command,
    '5 failed runs of one command and parent command, 80 % of its runs, none overlapping',
    'restarts',
    'exit, fork'
FROM loops
WHERE failed >= 5
    AND failed >= 0.8 * runs
    AND beside = 0
    AND NOT (
        COALESCE(exit_code = 1, FALSE) AND (parents > 1 OR comm IN ('grep', 'egrep', 'fgrep', 'zgrep', 'test', '[', 'diff', 'cmp', 'expr', 'pgrep', 'pidof',
            'which', 'false', 'getent', 'mountpoint', 'readlink'))
    );
