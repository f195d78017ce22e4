-- A process that crashed or was killed.
--
-- A process that a signal ended: SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS (a crash, high), SIGKILL,
-- SIGXCPU or SIGXFSZ (it was killed or over a limit, medium): one finding by name, parent and signal, from 1 process
-- on. SIGKILL is also what the kernel sends when memory is short. Other signals, as SIGTERM, SIGINT, SIGHUP, SIGPIPE,
-- end what was asked to end and are left out.
--
-- needs: finding.process, unfiltered.is_killing, unfiltered.signal_name
-- kept: window
CREATE VIEW finding.killed(
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
ended AS (
    SELECT *, unfiltered.signal_name(signal) AS signal_name
    FROM finding.process
    WHERE ended_here AND unfiltered.is_killing(signal)
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
    FORMAT('{:,} ended by {} after at most {:.1f} s', processes, signal_name, lifetime_s)
    || COALESCE(FORMAT(', with at most {:.1f} MiB resident', peak_rss_bytes / 1048576.0), '')
    || COALESCE('; command: ' || command, ''),
    '1 process ended by a signal of a crash, SIGKILL, SIGXCPU or SIGXFSZ',
    'failures' || CASE WHEN processes = 1 THEN FORMAT(' --pid {}', pid) ELSE '' END,
    'exit'
FROM grouped;
