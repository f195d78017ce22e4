-- A process that waits for its writes to reach the disk.
--
-- Calls of fsync, fdatasync, sync, syncfs, sync_file_range and msync, 10 or more with a mean of at least 0.1 ms or
-- one of 1 s, took at least 0.5 s and 20 % of a process's life in the window, summed over threads. High from 50 %
-- on. The same holds for write, pwrite64, writev, pwritev and pwritev2, each with that mean, in a process that
-- opened a file for writing with O_SYNC or O_DSYNC during the recording; which of its writes went to that file is
-- not recorded, nor what it had opened before. Waits for a CPU may be part of these calls: if they are half of the
-- time or more, the finding says so and is one level lower. Calls in flight at the end are left out.
--
-- needs: finding.call, finding.process, unfiltered.file_name, unfiltered.full_path, unfiltered.opens
-- kept: window
CREATE VIEW finding.sync_stall(
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
-- 4,096 is O_DSYNC, which O_SYNC includes; 3 is the access mode (include/uapi/asm-generic/fcntl.h).
opened AS (
    SELECT process_key, COUNT(*) AS opens, MIN(
        unfiltered.file_name(mount_namespace, COALESCE(unfiltered.full_path(origin, path, directory), path))) AS path
    FROM unfiltered.opens
    WHERE result >= 0 AND flags & 4096 <> 0 AND flags & 3 IN (1, 2)
    GROUP BY process_key
),
waits AS (
    SELECT c.process_key, c.syscall, c.calls, c.total_s, c.max_us, NULL AS opens, NULL AS path
    FROM finding.call AS c
    WHERE c.syscall IN ('fsync', 'fdatasync', 'sync', 'syncfs', 'sync_file_range', 'sync_file_range2', 'msync')
    UNION ALL
    SELECT c.process_key, c.syscall, c.calls, c.total_s, c.max_us, o.opens, o.path
    FROM finding.call AS c
    JOIN opened AS o ON o.process_key = c.process_key
    WHERE c.syscall IN ('write', 'pwrite64', 'writev', 'pwritev', 'pwritev2') AND c.total_s >= 0.0001 * c.calls
),
syncs AS (
    SELECT process_key,
        SUM(calls) AS calls,
        SUM(total_s) AS total_s,
        MAX(max_us) AS max_us,
        MAX_BY(syscall, total_s) AS syscall,
        MAX(opens) AS opens,
        MIN(path) AS path
    FROM waits
    GROUP BY process_key
),
facts AS (
    SELECT c.*, p.alive_s, p.wait_s, c.total_s / p.alive_s AS share, COALESCE(p.wait_s >= 0.5 * c.total_s, FALSE) AS without_cpu
    FROM syncs AS c
    JOIN finding.process AS p ON p.process_key = c.process_key
)
SELECT
    CASE
        WHEN share >= 0.5 AND NOT without_cpu THEN 'high'
        WHEN share >= 0.5 OR NOT without_cpu THEN 'medium'
        ELSE 'low'
    END,
    share,
    process_key.pid,
    process_key.start,
    NULL,
    FORMAT('waits for its writes: {} took {:.0f} % of its time', syscall, 100 * share)
    || CASE WHEN opens > 0 THEN ', with files opened with O_SYNC or O_DSYNC' ELSE '' END
    || CASE WHEN without_cpu THEN ', much of it waiting for a CPU' ELSE '' END,
    FORMAT('{:,.0f} calls, mostly {}: {:.3f} s in {:.3f} s of life, mean {:.2f} ms, longest {:.2f} ms', calls,
        syscall, total_s, alive_s, 1e3 * total_s / calls, max_us / 1e3)
    || CASE WHEN opens > 0
        THEN '; opened with O_SYNC or O_DSYNC: ' || COALESCE(path, 'an unknown path')
            || CASE WHEN opens > 1 THEN FORMAT(' and {:,} more', opens - 1) ELSE '' END
            || '; which of its writes went there is not recorded'
        ELSE '' END
    || COALESCE(FORMAT('; it waited {:.3f} s for a CPU meanwhile', wait_s), ''),
    '0.5 s and 20 % of its life in the window, 10 calls of 0.1 ms or one of 1 s',
    FORMAT('syscalls_by_process --pid {}', process_key.pid),
    CASE WHEN opens > 0 THEN 'cpu, open, syscall_stats' ELSE 'cpu, syscall_stats' END
FROM facts
WHERE total_s >= 0.5
    AND share >= 0.2
    AND ((calls >= 10 AND total_s >= 0.0001 * calls) OR max_us >= 1000000);
