-- A system call that fails again and again with the same error.
--
-- One call of one process failed with one error at least 5,000 times, 1,000 times a second of its life in the window,
-- for 1 s or more, and in 90 % of all its calls of that name, which took at least 0.1 s and 1 % of its life: high from
-- 25 % on, medium from 5 % on. Failing so fast that it takes less does no harm. Left out are errors that say only not yet (EAGAIN, EINTR, EINPROGRESS, EALREADY, ETIMEDOUT, and those that the kernel
-- restarts), opens of what does not exist (the rule `missing_files`) and connections (`connect_retry`).
--
-- needs: finding.call, finding.process, main.syscall_errors
-- kept: window
CREATE VIEW finding.errno_storm(
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
WITH failed AS (
    SELECT pid, start, abi, syscall, errno,
        COALESCE(MIN(error), 'errno_' || CAST(errno AS VARCHAR)) AS error,
        CAST(SUM(calls) AS DOUBLE PRECISION) AS calls,
        SUM(total_ns) / 1e9 AS total_s
    FROM main.syscall_errors
    WHERE errno < 512
        AND COALESCE(error, '') NOT IN ('EAGAIN', 'EINTR', 'EINPROGRESS', 'EALREADY', 'ETIMEDOUT')
        AND NOT (syscall IN ('open', 'openat', 'openat2') AND COALESCE(error, '') IN ('ENOENT', 'ENOTDIR'))
        AND syscall <> 'connect'
    GROUP BY pid, start, abi, syscall, errno
)
SELECT
    CASE WHEN f.total_s >= 0.25 * p.alive_s THEN 'high' WHEN f.total_s >= 0.05 * p.alive_s THEN 'medium' ELSE 'low' END,
    f.total_s / p.alive_s,
    p.pid,
    p.start,
    NULL,
    'fails in ' || f.syscall || ' with ' || f.error || FORMAT(' {:,.0f} times a second', f.calls / p.alive_s),
    FORMAT('{:,.0f} of {:,.0f} calls of ', f.calls, c.calls) || f.syscall || ' failed with ' || f.error
    || FORMAT(' in {:.1f} s of life, which took {:.3f} s', p.alive_s, f.total_s),
    '5,000 failed calls, 1,000 a second over 1 s, 90 % of the calls of that name, 0.1 s and 1 % of its life',
    FORMAT('syscall_errors --pid {}', p.pid),
    'syscall_errors, syscall_stats'
FROM failed AS f
JOIN finding.call AS c ON c.pid = f.pid AND c.start IS NOT DISTINCT FROM f.start AND c.syscall = f.syscall
    AND c.abi IS NOT DISTINCT FROM f.abi
JOIN finding.process AS p ON p.pid = f.pid AND p.start IS NOT DISTINCT FROM f.start
WHERE f.calls >= 5000
    AND p.alive_s >= 1
    AND f.calls >= 1000 * p.alive_s
    AND f.calls >= 0.9 * c.calls
    AND f.total_s >= 0.1
    AND f.total_s >= 0.01 * p.alive_s;
