-- A process that crashed or was killed.
--
-- A signal ended a process: SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP or SIGSYS (a crash; high), SIGKILL,
-- SIGXCPU or SIGXFSZ (killed, or over a limit; medium). There is one finding per name, parent and signal, from 1
-- process on. One that the kernel killed for lack of memory is found by `oom`. Other signals, such as SIGTERM, SIGINT,
-- SIGHUP and SIGPIPE, are the usual way to end a process and are left out.
--
-- needs: finding.process, unfiltered.is_killing, unfiltered.oom_kills, unfiltered.signal_name
-- kept: window
CREATE VIEW finding.killed(
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
ended AS (
    SELECT *, unfiltered.signal_name(signal) AS signal_name
    FROM finding.process
    WHERE ended_here AND unfiltered.is_killing(signal)
        AND process_key NOT IN (SELECT process_key FROM unfiltered.oom_kills WHERE process_key IS NOT NULL)
        AND pid NOT IN (SELECT pid FROM unfiltered.oom_kills WHERE pid IS NOT NULL AND start IS NULL)
),
grouped AS (
    SELECT
        comm,
        parent_comm,
        signal,
        signal_name,
        COUNT(*) AS processes,
        MIN(pid) AS pid,
        MIN(start) AS start,
        COUNT(CASE WHEN core_dumped THEN 1 END) AS cores,
        MAX(peak_rss_bytes) AS peak_rss_bytes,
        MIN(command) AS command,
        MAX(lifetime_ns) / 1e9 AS lifetime_s
    FROM ended
    GROUP BY comm, parent_comm, signal, signal_name
)
SELECT
    CASE WHEN signal IN (9, 24, 25) THEN 'medium' ELSE 'high' END,
    processes,
    CASE WHEN processes = 1 THEN pid END,
    CASE WHEN processes = 1 THEN start END,
    CASE WHEN processes > 1 THEN FORMAT('{:,} × ', processes) || COALESCE(comm, '(no name)') END,
    CASE WHEN signal IN (9, 24, 25) THEN 'killed by ' ELSE 'crashed with ' END || signal_name
    || COALESCE(', started by ' || parent_comm, '')
    || CASE WHEN cores > 0 THEN ', core dumped' ELSE '' END,
    FORMAT('{:,} ended by {} after {:.1f} s or less', processes, signal_name, lifetime_s)
    || COALESCE(FORMAT(', with {:.1f} MiB resident or less', peak_rss_bytes / 1048576.0), '')
    || COALESCE('; command: ' || command, ''),
    '1 process ended by a crash signal, SIGKILL, SIGXCPU or SIGXFSZ',
    'failures' || CASE WHEN processes = 1 THEN FORMAT(' --pid {}', pid) ELSE '' END,
    'exit'
FROM grouped;
