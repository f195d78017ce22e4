-- Findings: what is worth a look, the worst first, each with its evidence and what to look at next.
--
-- A rule reports a finding if the recorded data exceeds its threshold. If the data it needs was not recorded, it
-- reports nothing: the absence of a finding proves nothing about what was not recorded. Findings about a process come
-- before findings about the machine unless they are low, as the one may cause the other. If three or more processes
-- of one name have the same finding, it is reported once, for the worst. Losses of rows that neither a finding nor
-- the summary uses are low. The recorder is never reported. docs/findings.md describes each rule.
--
-- needs: finding.busy_poll, finding.close_wait, finding.command_failed, finding.connect_retry, finding.cpu_bound,
--    finding.cpu_quota, finding.cpu_saturation, finding.cpu_wait, finding.descriptor_leak, finding.errno_storm,
--    finding.fork_storm, finding.hot_function, finding.io_pressure, finding.killed, finding.limited_io,
--    finding.lock_convoy, finding.losses, finding.memory_growth, finding.memory_pressure, finding.missing_files,
--    finding.name_lookup, finding.oom, finding.process, finding.restart_loop, finding.retransmits,
--    finding.shared_memory, finding.slow_device, finding.slow_dns, finding.slow_service, finding.slow_tail,
--    finding.stolen, finding.sync_stall, finding.thread_leak, finding.unreaped, finding.unrecorded_server,
--    finding.waits_for_server, main.losses, unfiltered.process_key
CREATE VIEW report.findings(
    -- Severity: 'high', 'medium' or 'low'.
    severity,
    -- Name of the rule.
    rule,
    -- One-line summary.
    summary,
    -- The supporting figures.
    evidence,
    -- The threshold that was exceeded.
    threshold,
    -- What shows more; TRACE stands for the file.
    command,
    -- What was lost in the window that could change it; NULL: nothing.
    weakened_by,
    -- Process id of the process concerned; NULL if there is none or there are several.
    pid,
    -- Its last known command name.
    comm,
    -- Start time of that process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
found AS (
    SELECT 'busy_poll' AS rule, * FROM finding.busy_poll
    UNION ALL SELECT 'close_wait', * FROM finding.close_wait
    UNION ALL SELECT 'command_failed', * FROM finding.command_failed
    UNION ALL SELECT 'connect_retry', * FROM finding.connect_retry
    UNION ALL SELECT 'cpu_bound', * FROM finding.cpu_bound
    UNION ALL SELECT 'cpu_saturation', * FROM finding.cpu_saturation
    UNION ALL SELECT 'cpu_quota', * FROM finding.cpu_quota
    UNION ALL SELECT 'cpu_wait', * FROM finding.cpu_wait
    UNION ALL SELECT 'descriptor_leak', * FROM finding.descriptor_leak
    UNION ALL SELECT 'errno_storm', * FROM finding.errno_storm
    UNION ALL SELECT 'fork_storm', * FROM finding.fork_storm
    UNION ALL SELECT 'hot_function', * FROM finding.hot_function
    UNION ALL SELECT 'io_pressure', * FROM finding.io_pressure
    UNION ALL SELECT 'killed', * FROM finding.killed
    UNION ALL SELECT 'limited_io', * FROM finding.limited_io
    UNION ALL SELECT 'lock_convoy', * FROM finding.lock_convoy
    UNION ALL SELECT 'losses', * FROM finding.losses
    UNION ALL SELECT 'memory_growth', * FROM finding.memory_growth
    UNION ALL SELECT 'memory_pressure', * FROM finding.memory_pressure
    UNION ALL SELECT 'missing_files', * FROM finding.missing_files
    UNION ALL SELECT 'name_lookup', * FROM finding.name_lookup
    UNION ALL SELECT 'oom', * FROM finding.oom
    UNION ALL SELECT 'restart_loop', * FROM finding.restart_loop
    UNION ALL SELECT 'retransmits', * FROM finding.retransmits
    UNION ALL SELECT 'shared_memory', * FROM finding.shared_memory
    UNION ALL SELECT 'thread_leak', * FROM finding.thread_leak
    UNION ALL SELECT 'unreaped', * FROM finding.unreaped
    UNION ALL SELECT 'slow_device', * FROM finding.slow_device
    UNION ALL SELECT 'slow_dns', * FROM finding.slow_dns
    UNION ALL SELECT 'slow_service', * FROM finding.slow_service
    UNION ALL SELECT 'slow_tail', * FROM finding.slow_tail
    UNION ALL SELECT 'stolen', * FROM finding.stolen
    UNION ALL SELECT 'sync_stall', * FROM finding.sync_stall
    UNION ALL SELECT 'unrecorded_server', * FROM finding.unrecorded_server
    UNION ALL SELECT 'waits_for_server', * FROM finding.waits_for_server
),
-- What is said of each of several processes of one name, but for the numbers, is said once: of the worst.
alike AS (
    SELECT
        f.*,
        p.comm,
        CASE WHEN f.subject IS NULL THEN SPLIT_PART(REGEXP_REPLACE(f.summary, '[0-9.,]+', '', 'g'), ':', 1) END AS words
    FROM found AS f
    LEFT JOIN finding.process AS p ON p.process_key = unfiltered.process_key(f.pid, f.start)
),
ranked AS (
    SELECT
        *,
        COUNT(*) OVER same AS together,
        ROW_NUMBER() OVER (same ORDER BY weight DESC, pid, start, summary) AS place,
        ARRAY_AGG(pid) OVER (same ORDER BY weight DESC, pid, start, summary
            ROWS BETWEEN 1 FOLLOWING AND 10 FOLLOWING) AS others
    FROM alike
    WINDOW same AS (PARTITION BY rule, severity, comm, words)
),
named AS (
    SELECT
        *,
        words IS NOT NULL AND comm IS NOT NULL AND together >= 3 AS is_one_of_many,
        ROW_NUMBER() OVER (ORDER BY rule, severity, weight DESC, pid, start, subject, summary) AS n
    FROM ranked
),
-- Which kinds a loss at a place that is none takes rows from.
places AS (
    SELECT 'threads' AS place, 'syscall_stats' AS kind
    UNION ALL SELECT 'path', 'exec'
    UNION ALL SELECT 'path of a file', 'open'
    UNION ALL SELECT 'address of a socket', 'socket'
    UNION ALL SELECT 'on_sys_enter', 'syscall_stats'
    UNION ALL SELECT 'on_sys_exit', 'syscall_stats'
    UNION ALL SELECT 'on_sys_exit', 'syscall_errors'
    UNION ALL SELECT 'on_sys_exit', 'open'
    UNION ALL SELECT 'on_sys_exit', 'socket'
    UNION ALL SELECT 'on_sys_exit', 'syscall'
    UNION ALL SELECT 'on_open', 'open'
    UNION ALL SELECT 'on_socket', 'socket'
    UNION ALL SELECT 'on_tcp_state', 'connection'
    UNION ALL SELECT 'DNS message', 'dns'
    UNION ALL SELECT 'on_sched_switch', 'cpu'
    UNION ALL SELECT 'on_sched_switch', 'waits'
    UNION ALL SELECT 'threads', 'waits'
    UNION ALL SELECT 'requests in flight', 'block_io'
    UNION ALL SELECT 'on_fork', 'fork'
    UNION ALL SELECT 'on_exec', 'exec'
    UNION ALL SELECT 'on_exit', 'exit'
),
lost AS (
    SELECT l.cause, l.place, COALESCE(p.kind, l.place) AS kind, TRY_CAST(SUM(l.lost) AS BIGINT) AS lost
    FROM main.losses AS l
    LEFT JOIN places AS p ON p.place = l.place
    WHERE l.cause <> 'refused'
    GROUP BY l.cause, l.place, COALESCE(p.kind, l.place)
    HAVING SUM(l.lost) > 0 OR SUM(l.lost) IS NULL
),
-- The kinds that the findings rest on, and those that the summary shows.
shown AS (
    SELECT UNNEST(STRING_SPLIT(rests_on, ', ')) AS kind FROM named
    UNION SELECT UNNEST(['syscall_stats', 'cpu', 'process', 'fork', 'exec', 'exit', 'followed'])
),
-- Losses of what nothing rests on.
aside AS (
    SELECT n.n
    FROM named AS n
    JOIN lost AS l ON ENDS_WITH(n.summary, ', ' || l.cause || ' ' || l.place)
    LEFT JOIN shown AS s ON s.kind = l.kind
    WHERE n.rule = 'losses'
    GROUP BY n.n
    HAVING COUNT(s.kind) = 0
),
judged AS (
    SELECT n.* REPLACE (
        CASE WHEN a.n IS NULL THEN n.severity ELSE 'low' END AS severity,
        CASE WHEN a.n IS NULL THEN n.weight ELSE 0 END AS weight,
        n.evidence || CASE WHEN a.n IS NULL THEN '' ELSE '; no finding is based on these' END AS evidence
    )
    FROM named AS n
    LEFT JOIN aside AS a ON a.n = n.n
),
weak AS (
    SELECT n.n, STRING_AGG(DISTINCT l.cause || ' ' || l.place || ' ' || COALESCE(CAST(l.lost AS VARCHAR), '?'), ', '
        ORDER BY l.cause || ' ' || l.place || ' ' || COALESCE(CAST(l.lost AS VARCHAR), '?')) AS weakened_by
    FROM named AS n
    JOIN lost AS l ON l.kind = 'followed' OR ', ' || n.rests_on || ',' LIKE '%, ' || l.kind || ',%'
    GROUP BY n.n
)
SELECT
    n.severity,
    n.rule,
    COALESCE(
        n.subject,
        COALESCE(n.comm, '(no name)') || ' (' || CAST(n.pid AS VARCHAR)
        || CASE WHEN n.is_one_of_many THEN FORMAT(' and {} more', n.together - 1) ELSE '' END || ')'
    ) || ' ' || n.summary,
    n.evidence
    || CASE
        WHEN n.is_one_of_many THEN FORMAT('; also, to a lesser degree, {} more of this name: ', n.together - 1)
            || ARRAY_TO_STRING(n.others, ', ') || CASE WHEN n.together > 11 THEN ', ...' ELSE '' END
        ELSE ''
    END,
    n.threshold,
    'sysmon report TRACE ' || n.command || getvariable('window_options'),
    w.weakened_by,
    n.pid,
    n.comm,
    n.start
FROM judged AS n
LEFT JOIN weak AS w ON w.n = n.n
WHERE NOT n.is_one_of_many OR n.place = 1
ORDER BY
    n.severity = 'low',
    COALESCE(n.subject, '') = 'the machine',
    CASE n.severity WHEN 'high' THEN 0 WHEN 'medium' THEN 1 ELSE 2 END,
    n.weight DESC,
    n.n;
