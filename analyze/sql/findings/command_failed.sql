-- The command that was recorded failed.
--
-- `sysmon record -- COMMAND` started it, and it ended in the window with another status than 0. What failed last before
-- it, in the second before its end, often says why: that is named, if it was another process. A command that a signal
-- ended is left out (`killed`).
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
    SELECT p.*
    FROM finding.process AS p
    CROSS JOIN main.recording AS r
    WHERE p.ended_here
        AND p.exit_code <> 0
        AND p.ppid = r.recorder_pid
        AND p.parent_start = r.recorder_start
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
)
SELECT
    'medium',
    1,
    c.pid,
    c.start,
    NULL,
    FORMAT('is the command that was recorded, and failed: status {}', c.exit_code)
    || COALESCE(FORMAT(', after {} ({}) had ended with {}', b.comm, b.failed_pid, b.outcome), ''),
    FORMAT('status {} after {:.3f} s; command: ', c.exit_code, c.lifetime_ns / 1e9) || COALESCE(c.command, '(no name)')
    || COALESCE(
        FORMAT('; {:.4f} s before its end {} ({}) ended with {}; command: ', (c.ended_ns - b.ended_ns) / 1e9, b.comm,
            b.failed_pid, b.outcome) || b.command, ''
    ),
    'the command of the recording ended with another status than 0',
    'failures',
    'exit'
FROM command AS c
LEFT JOIN before AS b ON b.pid = c.pid AND b.start IS NOT DISTINCT FROM c.start;
