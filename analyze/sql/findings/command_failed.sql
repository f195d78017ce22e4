-- The command that was recorded failed.
--
-- `sysmon record -- COMMAND` started it, and it ended in the window with another status than 0 or by a signal. What failed
-- last before it, in the second before its end, often says why: that is named, if it was another process. Left out: a
-- signal that the rule `killed` is about, and SIGINT, SIGTERM and SIGHUP where one of them ended the recording. A command
-- whose end is not in the trace, as it could not be run, is known by its status.
--
-- needs: finding.process, finding.span, main.recording, unfiltered.is_killing, unfiltered.signal_name
-- kept: window
CREATE VIEW finding.command_failed(
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
        c.pid,
        c.start,
        ARG_MAX(f.pid, f.ended_ns) AS failed_pid,
        ARG_MAX(COALESCE(f.comm, '(no name)'), f.ended_ns) AS comm,
        ARG_MAX(COALESCE(f.command, '(no name)'), f.ended_ns) AS command,
        ARG_MAX(
            COALESCE('status ' || CAST(f.exit_code AS VARCHAR), unfiltered.signal_name(f.signal), 'a signal'), f.ended_ns
        ) AS outcome,
        MAX(f.ended_ns) AS ended_ns
    FROM command AS c
    JOIN finding.process AS f ON f.ended_ns BETWEEN c.ended_ns - 1000000000 AND c.ended_ns
        AND (f.pid <> c.pid OR f.start IS DISTINCT FROM c.start)
    WHERE f.exit_code <> 0 OR f.signal IS NOT NULL
    GROUP BY c.pid, c.start
),
told AS (
    SELECT
        c.pid,
        c.start,
        NULL AS subject,
        'is the command that was recorded, and failed: ' || c.outcome
        || COALESCE(FORMAT(', after {} ({}) had ended with {}', b.comm, b.failed_pid, b.outcome), '') AS summary,
        c.outcome || FORMAT(' after {:.3f} s; command: ', c.lifetime_ns / 1e9) || COALESCE(c.command, '(no name)')
        || COALESCE(
            FORMAT('; {:.4f} s before its end {} ({}) ended with {}; command: ', (c.ended_ns - b.ended_ns) / 1e9, b.comm,
                b.failed_pid, b.outcome) || b.command, ''
        ) AS evidence
    FROM command AS c
    LEFT JOIN before AS b ON b.pid = c.pid AND b.start IS NOT DISTINCT FROM c.start
    UNION ALL
    SELECT
        NULL,
        NULL,
        'the command that was recorded',
        FORMAT('failed: status {}', CAST(getvariable('command_status') AS BIGINT)),
        FORMAT('status {}', CAST(getvariable('command_status') AS BIGINT)) || CASE
            WHEN getvariable('command_status') IN (126, 127) THEN ', which is that of a command that could not be run'
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
    'the command of the recording ended with another status than 0 or by a signal',
    'failures',
    'exit'
FROM told;
