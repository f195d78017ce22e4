-- A system call that keeps failing with the same error.
--
-- One call of one process failed with one error at least 5,000 times, 1,000 times a second over 1 s or more of its
-- life in the window, in 90 % of its calls of that name, and this took at least 0.1 s and 1 % of its life. High from
-- 25 % on, medium from 5 % on; failures that take less time do no harm. Left out: errors that mean "not yet"
-- (EAGAIN, EINTR, EINPROGRESS, EALREADY, ETIMEDOUT, and those that the kernel restarts), opens of missing files
-- (`missing_files`) and connections (`connect_retry`).
--
-- needs: finding.call, finding.process, main.syscall_errors
-- kept: window
CREATE VIEW finding.errno_storm(
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
WITH failed AS (
    SELECT process_key, abi, syscall, errno,
        COALESCE(MIN(error), 'errno_' || CAST(errno AS VARCHAR)) AS error,
        CAST(SUM(calls) AS DOUBLE PRECISION) AS calls,
        SUM(total_ns) / 1e9 AS total_s
    FROM main.syscall_errors
    WHERE errno < 512
        AND COALESCE(error, '') NOT IN ('EAGAIN', 'EINTR', 'EINPROGRESS', 'EALREADY', 'ETIMEDOUT')
        AND NOT (syscall IN ('open', 'openat', 'openat2') AND COALESCE(error, '') IN ('ENOENT', 'ENOTDIR'))
        AND syscall <> 'connect'
    GROUP BY process_key, abi, syscall, errno
)
SELECT
    CASE WHEN f.total_s >= 0.25 * p.alive_s THEN 'high' WHEN f.total_s >= 0.05 * p.alive_s THEN 'medium' ELSE 'low' END,
    f.total_s / p.alive_s,
    p.pid,
    p.start,
    NULL,
    'fails in ' || f.syscall || ' with ' || f.error || FORMAT(' {:,.0f} times a second', f.calls / p.alive_s),
    FORMAT('{:,.0f} of {:,.0f} calls of ', f.calls, c.calls) || f.syscall || ' failed with ' || f.error
    || FORMAT(' in {:.1f} s of life and took {:.3f} s', p.alive_s, f.total_s),
    '5,000 failures, 1,000 a second over 1 s, 90 % of the calls of that name, 0.1 s and 1 % of its life',
    FORMAT('syscall_errors --pid {}', p.pid),
    'syscall_errors, syscall_stats'
FROM failed AS f
JOIN finding.call AS c ON c.process_key = f.process_key AND c.syscall = f.syscall
    AND c.abi IS NOT DISTINCT FROM f.abi
JOIN finding.process AS p ON p.process_key = f.process_key
WHERE f.calls >= 5000
    AND p.alive_s >= 1
    AND f.calls >= 1000 * p.alive_s
    AND f.calls >= 0.9 * c.calls
    AND f.total_s >= 0.1
    AND f.total_s >= 0.01 * p.alive_s;
