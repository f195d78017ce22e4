-- Lives: what each process ran, from when to when, and how it ended.
--
-- A life is of one program in one process: from the exec to the next exec, or to the end of the process. A process that
-- ran what it had from its parent all its life has one life, from its fork. What the recording did not see begin has no
-- `began`: the programs that ran when it started. What it did not see end has no `ended`. Both have no lifetime.
--
-- needs: main.processes, main.recording, unfiltered.execs, unfiltered.forks, unfiltered.process_states,
--    unfiltered.renames
CREATE VIEW report.lives(
    -- Process id (thread group id).
    pid,
    -- Command name, the last that it had in this life.
    comm,
    -- When the program was executed, or the process forked if it never executed one; NULL if that is not known.
    began,
    -- When this life ended; NULL while it goes on at the end of the recording, or if its end was not recorded.
    ended,
    -- From `began` to `ended` [s]; NULL if one of them is.
    lifetime_s,
    -- What ended it: 'exec', the process went on with another program; 'exit'; 'signal'; NULL if `ended` is.
    ended_by,
    -- What the process passed to exit(2), 0 to 255; NULL if something else ended this life.
    exit_code,
    -- The signal that ended the process; NULL if something else ended this life.
    signal,
    -- CPU time in the window [s]. It is counted by process: NULL if the process had several lives in the window. The
    -- first has what the process used from its fork to its exec.
    cpu_s,
    -- From the fork of the process to the exec that began its first life [s]; NULL for others.
    before_exec_s,
    -- Process id of the parent that forked it or, if it is older than the recording, that it had when first seen.
    ppid,
    -- Command name of that parent, last known.
    parent_comm,
    -- Arguments of the program, else its path, else its name in brackets; ends in ' ...' if cut.
    command,
    -- Which life of the process it is: execs that were recorded of it until then.
    execs,
    -- `start` of the parent [ns].
    parent_start,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start
) AS
WITH
mine AS (
    SELECT pid, start, ppid, parent_start, parent_comm, comm, command, ended, exit_code, signal, cpu_ns, alive_at_start
    FROM main.processes
),
-- What is known of programs and names. An exec begins a life; a process with none has life 0.
facts AS (
    SELECT pid, start, ts, 1 AS is_exec, NULL AS forked, comm,
        COALESCE(
            NULLIF(ARRAY_TO_STRING(argv, ' '), '') || CASE WHEN argv_truncated THEN ' ...' ELSE '' END, path
        ) AS command
    FROM unfiltered.execs
    UNION ALL
    SELECT pid, start, ts, 0, ts, comm, NULL
    FROM unfiltered.forks
    UNION ALL
    SELECT pid, start, NULL, 0, NULL, comm,
        COALESCE(NULLIF(ARRAY_TO_STRING(argv, ' '), '') || CASE WHEN argv_truncated THEN ' ...' ELSE '' END, path)
    FROM unfiltered.process_states
    WHERE edge IN ('start', 'both')
    UNION ALL
    SELECT pid, start, ts, 0, NULL, comm, NULL
    FROM unfiltered.renames
    WHERE tid = pid
    UNION ALL
    SELECT pid, start, NULL, 0, NULL, NULL, NULL
    FROM mine
),
counted AS (
    SELECT *, SUM(is_exec) OVER (
        PARTITION BY pid, start
        ORDER BY ts NULLS FIRST, is_exec DESC, comm, command
        ROWS UNBOUNDED PRECEDING
    ) AS execs
    FROM facts
),
named AS (
    SELECT pid, start, execs, ts, is_exec, forked, command, LAST_VALUE(comm IGNORE NULLS) OVER (
        PARTITION BY pid, start, execs
        ORDER BY ts NULLS FIRST, is_exec DESC, comm, command
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS comm
    FROM counted
),
lives AS (
    SELECT
        pid, start, execs,
        MAX(CASE WHEN is_exec = 1 THEN ts END) AS executed,
        MIN(forked) AS forked,
        MAX(comm) AS comm,
        MAX(command) AS command
    FROM named
    GROUP BY pid, start, execs
),
bounded AS (
    SELECT
        *,
        LEAD(executed) OVER one AS next_executed,
        LAG(forked) OVER one AS forked_before
    FROM lives
    WINDOW one AS (PARTITION BY pid, start ORDER BY execs)
),
told AS (
    SELECT
        b.pid, b.start, b.execs, b.forked_before,
        COALESCE(b.executed, b.forked) AS began,
        COALESCE(b.next_executed, p.ended) AS ended,
        b.next_executed IS NULL AS is_last,
        CASE WHEN b.next_executed IS NULL THEN p.comm ELSE b.comm END AS comm,
        CASE WHEN b.next_executed IS NULL THEN p.command ELSE COALESCE(b.command, '[' || b.comm || ']') END AS command,
        p.exit_code, p.signal, p.cpu_ns, p.ppid, p.parent_start, p.parent_comm
    FROM bounded AS b
    JOIN mine AS p ON p.pid = b.pid AND p.start IS NOT DISTINCT FROM b.start
    -- Between its fork and its first exec a process is no program of its own yet, and of one that was neither forked in
    -- the recording nor there at its start nothing is known before its exec.
    WHERE b.execs > 0
        OR b.next_executed IS NULL
        OR (p.alive_at_start AND b.forked IS NULL)
),
shown AS (
    SELECT t.*, COUNT(*) OVER (PARTITION BY t.pid, t.start) AS lives
    FROM told AS t
    CROSS JOIN main.recording AS r
    WHERE (r.since IS NULL OR t.ended IS NULL OR t.ended >= r.since)
        AND (r.until IS NULL OR t.began IS NULL OR t.began < r.until)
)
SELECT
    s.pid,
    s.comm,
    s.began,
    s.ended,
    (EPOCH_NS(s.ended) - EPOCH_NS(s.began)) / 1e9,
    CASE
        WHEN NOT s.is_last THEN 'exec'
        WHEN s.signal IS NOT NULL THEN 'signal'
        WHEN s.ended IS NOT NULL THEN 'exit'
    END,
    CASE WHEN s.is_last THEN s.exit_code END,
    CASE WHEN s.is_last THEN s.signal END,
    CASE WHEN s.lives = 1 THEN s.cpu_ns / 1e9 END,
    (EPOCH_NS(s.began) - EPOCH_NS(s.forked_before)) / 1e9,
    s.ppid,
    s.parent_comm,
    s.command,
    CAST(s.execs AS INTEGER),
    s.parent_start,
    s.start
FROM shown AS s
ORDER BY s.began NULLS LAST, s.start, s.pid, s.execs;
