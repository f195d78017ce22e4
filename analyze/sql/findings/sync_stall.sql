-- A process that waits for its writes to be on the disk.
--
-- Calls of fsync, fdatasync, sync, syncfs, sync_file_range and msync, 10 or more with a mean of at least 0.1 ms, or one
-- of 1 s, took at least 0.5 s and 20 % of the life of a process in the window, threads added up: medium from 50 % on.
-- What the process waited for a CPU may have been in these calls: without it, it is medium from 20 % and high from 50 %
-- on, and the finding says so where that is half of the time or more. Calls that were in flight at the end are left
-- out.
CREATE VIEW finding.sync_stall(
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
WITH syncs AS (
    SELECT pid, start,
        SUM(calls) AS calls,
        SUM(total_s) AS total_s,
        MAX(max_us) AS max_us,
        MAX_BY(syscall, total_s) AS syscall
    FROM finding.call
    WHERE syscall IN ('fsync', 'fdatasync', 'sync', 'syncfs', 'sync_file_range', 'sync_file_range2', 'msync')
    GROUP BY pid, start
)
SELECT
    CASE
        WHEN c.total_s - COALESCE(p.wait_s, 0) >= 0.5 * p.alive_s THEN 'high'
        WHEN c.total_s - COALESCE(p.wait_s, 0) >= 0.2 * p.alive_s OR c.total_s >= 0.5 * p.alive_s THEN 'medium'
        ELSE 'low'
    END,
    c.total_s / p.alive_s,
    p.pid,
    p.start,
    NULL,
    FORMAT('waits for its writes: {} took {:.0f} % of its time', c.syscall, 100 * c.total_s / p.alive_s)
    || CASE WHEN p.wait_s >= 0.5 * c.total_s THEN ', much of it without a CPU' ELSE '' END,
    FORMAT('{:,.0f} calls, mostly {}: {:.3f} s in {:.3f} s of life, mean {:.2f} ms, longest {:.2f} ms', c.calls,
        c.syscall, c.total_s, p.alive_s, 1e3 * c.total_s / c.calls, c.max_us / 1e3)
    || COALESCE(FORMAT('; it waited {:.3f} s for a CPU meanwhile', p.wait_s), ''),
    '0.5 s and 20 % of its life in the window, 10 calls of 0.1 ms or one of 1 s',
    FORMAT('syscalls_by_process --pid {}', p.pid),
    'cpu, syscall_stats'
FROM syncs AS c
JOIN finding.process AS p ON p.pid = c.pid AND p.start IS NOT DISTINCT FROM c.start
WHERE c.total_s >= 0.5
    AND c.total_s >= 0.2 * p.alive_s
    AND ((c.calls >= 10 AND c.total_s >= 0.0001 * c.calls) OR c.max_us >= 1000000);
