-- A process that waits for its writes to be on the disk.
--
-- Calls of fsync, fdatasync, sync, syncfs, sync_file_range and msync, 10 or more with a mean of at least 0.1 ms, or one
-- of 1 s, took at least 0.5 s and 20 % of the life of a process in the window, threads added up: high from 50 % on. So
-- do write, pwrite64, writev, pwritev and pwritev2, each with the same mean, of a process that opened a file to write
-- with O_SYNC or O_DSYNC in the recording; which of its writes were to that file is not recorded, nor with what it had
-- opened before. What the process waited for a CPU may have been in these calls: where that is half of the time or more
-- the finding says so, and is one step less. Calls that were in flight at the end are left out.
--
-- needs: finding.call, finding.process, unfiltered.file_name, unfiltered.full_path, unfiltered.opens
-- kept: window
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
WITH
-- 4,096 is O_DSYNC, which O_SYNC holds; 3 is that it may be read, written or both (include/uapi/asm-generic/fcntl.h).
opened AS (
    SELECT pid, start, COUNT(*) AS opens, MIN(
        unfiltered.file_name(mount_namespace, COALESCE(unfiltered.full_path(origin, path, directory), path))) AS path
    FROM unfiltered.opens
    WHERE result >= 0 AND flags & 4096 <> 0 AND flags & 3 IN (1, 2)
    GROUP BY pid, start
),
waits AS (
    SELECT c.pid, c.start, c.syscall, c.calls, c.total_s, c.max_us, NULL AS opens, NULL AS path
    FROM finding.call AS c
    WHERE c.syscall IN ('fsync', 'fdatasync', 'sync', 'syncfs', 'sync_file_range', 'sync_file_range2', 'msync')
    UNION ALL
    SELECT c.pid, c.start, c.syscall, c.calls, c.total_s, c.max_us, o.opens, o.path
    FROM finding.call AS c
    JOIN opened AS o ON o.pid = c.pid AND o.start IS NOT DISTINCT FROM c.start
    WHERE c.syscall IN ('write', 'pwrite64', 'writev', 'pwritev', 'pwritev2') AND c.total_s >= 0.0001 * c.calls
),
syncs AS (
    SELECT pid, start,
        SUM(calls) AS calls,
        SUM(total_s) AS total_s,
        MAX(max_us) AS max_us,
        MAX_BY(syscall, total_s) AS syscall,
        MAX(opens) AS opens,
        MIN(path) AS path
    FROM waits
    GROUP BY pid, start
),
facts AS (
    SELECT c.*, p.alive_s, p.wait_s, c.total_s / p.alive_s AS share, COALESCE(p.wait_s >= 0.5 * c.total_s, FALSE) AS without_cpu
    FROM syncs AS c
    JOIN finding.process AS p ON p.pid = c.pid AND p.start IS NOT DISTINCT FROM c.start
)
SELECT
    CASE
        WHEN share >= 0.5 AND NOT without_cpu THEN 'high'
        WHEN share >= 0.5 OR NOT without_cpu THEN 'medium'
        ELSE 'low'
    END,
    share,
    pid,
    start,
    NULL,
    FORMAT('waits for its writes: {} took {:.0f} % of its time', syscall, 100 * share)
    || CASE WHEN opens > 0 THEN ', with files open with O_SYNC or O_DSYNC' ELSE '' END
    || CASE WHEN without_cpu THEN ', much of it without a CPU' ELSE '' END,
    FORMAT('{:,.0f} calls, mostly {}: {:.3f} s in {:.3f} s of life, mean {:.2f} ms, longest {:.2f} ms', calls,
        syscall, total_s, alive_s, 1e3 * total_s / calls, max_us / 1e3)
    || COALESCE('; open with O_SYNC or O_DSYNC: ' || COALESCE(path, 'a path that is not known')
        || CASE WHEN opens > 1 THEN FORMAT(' and {:,} more', opens - 1) ELSE '' END
        || '; which of its writes were to that is not recorded', '')
    || COALESCE(FORMAT('; it waited {:.3f} s for a CPU meanwhile', wait_s), ''),
    '0.5 s and 20 % of its life in the window, 10 calls of 0.1 ms or one of 1 s',
    FORMAT('syscalls_by_process --pid {}', pid),
    CASE WHEN opens > 0 THEN 'cpu, open, syscall_stats' ELSE 'cpu, syscall_stats' END
FROM facts
WHERE total_s >= 0.5
    AND share >= 0.2
    AND ((calls >= 10 AND total_s >= 0.0001 * calls) OR max_us >= 1000000);
