-- The recorded command failed.
--
-- `sysmon record -- COMMAND` started it, and it ended in the window with an exit status other than 0 or by a signal.
-- If another process failed in the second before its end, the last one is named, as it is often the reason. Left
-- out: signals that the rule `killed` reports, and SIGINT, SIGTERM and SIGHUP if one of them ended the recording. If
-- the command's end is not in the trace, because it could not be run, its status is used.
--
-- needs: finding.process, finding.span, main.recording, unfiltered.is_killing, unfiltered.signal_name
-- kept: window
CREATE VIEW finding.command_failed(
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
command AS (
    SELECT p.*, COALESCE(FORMAT('status {}', p.exit_code), unfiltered.signal_name(p.signal)) AS outcome
    FROM finding.process AS p
    CROSS JOIN main.recording AS r
    WHERE p.ended_here
        AND (
            p.exit_code <> 0
            OR NOT unfiltered.is_killing(p.signal)
            AND NOT (p.signal IN (1, 2, 15) AND getvariable('stopped_by_signal'))
        )
        AND p.ppid = r.recorder_pid
        AND p.parent_start = r.recorder_start
),
-- Commands whose end is in the trace.
there AS (
    SELECT COUNT(*) AS commands
    FROM finding.process AS p
    CROSS JOIN main.recording AS r
    WHERE p.ppid = r.recorder_pid
        AND p.parent_start = r.recorder_start
        AND p.ended_ns IS NOT NULL
        AND p.exit_code <> 0
),
before AS (
    SELECT
        c.process_key,
        ARG_MAX(f.pid, f.ended_ns) AS failed_pid,
        ARG_MAX(COALESCE(f.comm, '(no name)'), f.ended_ns) AS comm,
        ARG_MAX(COALESCE(f.command, '(no name)'), f.ended_ns) AS command,
        ARG_MAX(
            COALESCE('status ' || CAST(f.exit_code AS VARCHAR), unfiltered.signal_name(f.signal), 'a signal'), f.ended_ns
        ) AS outcome,
        MAX(f.ended_ns) AS ended_ns
    FROM command AS c
    JOIN finding.process AS f ON f.ended_ns BETWEEN c.ended_ns - 1000000000 AND c.ended_ns
        AND f.process_key <> c.process_key
    WHERE f.exit_code <> 0 OR f.signal IS NOT NULL
    GROUP BY c.process_key
),
told AS (
    SELECT
        c.pid,
        c.start,
        NULL AS subject,
        'is the recorded command, and failed: ' || c.outcome
        || COALESCE(FORMAT(', after {} ({}) had ended with {}', b.comm, b.failed_pid, b.outcome), '') AS summary,
        c.outcome || FORMAT(' after {:.3f} s; command: ', c.lifetime_ns / 1e9) || COALESCE(c.command, '(no name)')
        || COALESCE(
            FORMAT('; {:.4f} s before its end {} ({}) ended with {}; command: ', (c.ended_ns - b.ended_ns) / 1e9, b.comm,
                b.failed_pid, b.outcome) || b.command, ''
        ) AS evidence
    FROM command AS c
    LEFT JOIN before AS b ON b.process_key = c.process_key
    UNION ALL
    SELECT
        NULL,
        NULL,
        'the recorded command',
        FORMAT('failed: status {}', CAST(getvariable('command_status') AS BIGINT)),
        FORMAT('status {}', CAST(getvariable('command_status') AS BIGINT)) || CASE
            WHEN getvariable('command_status') IN (126, 127) THEN ' (the command could not be run)'
            ELSE ''
        END
    FROM finding.span AS s
    CROSS JOIN main.recording AS r
    CROSS JOIN there AS t
    WHERE getvariable('command_status') BETWEEN 1 AND 127
        AND s.ended_ns >= EPOCH_NS(r.ended)
        AND t.commands = 0
)
SELECT
    'medium',
    1,
    pid,
    start,
    subject,
    summary,
    evidence,
    'the recorded command ended with a status other than 0 or by a signal',
    'failures',
    'exit'
FROM told;
