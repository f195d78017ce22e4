-- Errors of system calls: which call of which process failed, how often, and with which error.
--
-- All calls that failed, counted in the kernel. Some failures are normal: EAGAIN when there is no data yet, ENOENT
-- while searching a path. Errors that a program sees as EINTR, or that the kernel hides by restarting the call, have
-- the kernel's own names here, such as ERESTARTSYS.
--
-- needs: main.syscall_errors, main.syscall_stats, unfiltered.call_name, unfiltered.process_key, unfiltered.processes
CREATE VIEW report.syscall_errors(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- Name of the call; 'syscall_N' if number N has no name, 'unknown' if the number is unknown.
    syscall,
    -- Name of the error; 'errno_N' if number N has none.
    error,
    -- Calls that failed with this error.
    calls,
    -- Share of all calls that this process made of this one [%].
    share_pct,
    -- Sum of their latencies [s].
    total_s,
    -- Number of the error.
    errno,
    -- System call table of the number, such as 'x86_64'.
    abi,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
failed AS (
    SELECT pid, start, abi, unfiltered.call_name(syscall, nr) AS syscall, errno,
        MIN(error) AS error,
        SUM(calls) AS calls,
        SUM(total_ns) AS total_ns
    FROM main.syscall_errors
    GROUP BY pid, start, abi, unfiltered.call_name(syscall, nr), errno
),
-- Only the calls that failed at least once, which are few.
failing AS (
    SELECT DISTINCT process_key, abi, nr, syscall
    FROM main.syscall_errors
),
counted AS (
    SELECT s.pid, s.start, s.abi, s.nr, s.syscall, SUM(s.calls) AS calls
    FROM main.syscall_stats AS s
    JOIN failing AS f ON f.process_key = s.process_key AND f.nr IS NOT DISTINCT FROM s.nr
        AND f.abi IS NOT DISTINCT FROM s.abi AND f.syscall IS NOT DISTINCT FROM s.syscall
    GROUP BY s.pid, s.start, s.abi, s.nr, s.syscall
),
made AS (
    SELECT pid, start, abi, unfiltered.call_name(syscall, nr) AS syscall, SUM(calls) AS calls
    FROM counted
    GROUP BY pid, start, abi, unfiltered.call_name(syscall, nr)
)
SELECT
    f.pid,
    p.comm,
    f.syscall,
    COALESCE(f.error, 'errno_' || CAST(f.errno AS VARCHAR)),
    TRY_CAST(f.calls AS BIGINT),
    100.0 * f.calls / NULLIF(m.calls, 0),
    f.total_ns / 1e9,
    f.errno,
    f.abi,
    f.start
FROM failed AS f
LEFT JOIN made AS m
    ON unfiltered.process_key(m.pid, m.start) = unfiltered.process_key(f.pid, f.start) AND m.syscall = f.syscall
        AND m.abi IS NOT DISTINCT FROM f.abi
LEFT JOIN unfiltered.processes AS p ON p.process_key = unfiltered.process_key(f.pid, f.start)
ORDER BY f.calls DESC, f.pid, f.start, f.syscall, f.errno, f.abi NULLS LAST;
