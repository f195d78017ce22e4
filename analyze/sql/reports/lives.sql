-- Lives: what each process ran, from when to when, and how it ended.
--
-- A life is one program in one process: from its exec to the next exec or the end of the process. A process that
-- never calls exec has one life, from its fork. `began` is NULL if the program already ran when the recording
-- started, `ended` is NULL if its end was not recorded; in both cases so is the lifetime.
--
-- needs: main.processes, main.recording, unfiltered.execs, unfiltered.forks, unfiltered.process_states,
--    unfiltered.renames
CREATE VIEW report.lives(
    -- Process id (thread group id).
    pid,
    -- Last command name in this life.
    comm,
    -- When the program was executed, or the process forked if it never executed one; NULL if unknown.
    began,
    -- When this life ended; NULL if it continued at the end of the recording, or its end was not recorded.
    ended,
    -- From `began` to `ended` [s]; NULL if one of them is.
    lifetime_s,
    -- What ended it: 'exec', the process went on with another program; 'exit'; 'signal'; NULL if `ended` is.
    ended_by,
    -- Exit code, 0 to 255; NULL if this life ended otherwise.
    exit_code,
    -- Signal that ended the process; NULL if this life ended otherwise.
    signal,
    -- CPU time in the window [s]. It is counted by process: NULL if the process had several lives in the window. The
    -- first has what the process used from its fork to its exec.
    cpu_s,
    -- From the fork of the process to the exec that began its first life [s]; NULL for others.
    before_exec_s,
    -- Process id of its parent: the process that forked it or, if older than the recording, its parent when first
    -- seen.
    ppid,
    -- Last known command name of that parent.
    parent_comm,
    -- Arguments of the program, or its path, or its name in brackets; ends in ' ...' if cut.
    command,
    -- Number of this life: recorded execs of the process until then.
    execs,
    -- `start` of the parent [ns].
    parent_start,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
mine AS (
    SELECT process_key, ppid, parent_start, parent_comm, comm, command, ended, exit_code, signal, cpu_ns, alive_at_start
    FROM main.processes
),
-- Known programs and names. An exec begins a life; a process without execs has life 0.
facts AS (
    SELECT process_key, ts, 1 AS is_exec, NULL AS forked, comm,
        COALESCE(
            NULLIF(ARRAY_TO_STRING(argv, ' '), '') || CASE WHEN argv_truncated THEN ' ...' ELSE '' END, path
        ) AS command
    FROM unfiltered.execs
    UNION ALL
    SELECT process_key, ts, 0, ts, comm, NULL
    FROM unfiltered.forks
    UNION ALL
    SELECT process_key, NULL, 0, NULL, comm,
        COALESCE(NULLIF(ARRAY_TO_STRING(argv, ' '), '') || CASE WHEN argv_truncated THEN ' ...' ELSE '' END, path)
    FROM unfiltered.process_states
    WHERE edge IN ('start', 'both')
    UNION ALL
    SELECT process_key, ts, 0, NULL, comm, NULL
    FROM unfiltered.renames
    WHERE tid = pid
    UNION ALL
    SELECT process_key, NULL, 0, NULL, NULL, NULL
    FROM mine
),
counted AS (
    SELECT *, SUM(is_exec) OVER (
        PARTITION BY process_key
        ORDER BY ts NULLS FIRST, is_exec DESC, comm, command
        ROWS UNBOUNDED PRECEDING
    ) AS execs
    FROM facts
),
named AS (
    SELECT process_key, execs, ts, is_exec, forked, command, LAST_VALUE(comm IGNORE NULLS) OVER (
        PARTITION BY process_key, execs
        ORDER BY ts NULLS FIRST, is_exec DESC, comm, command
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS comm
    FROM counted
),
lives AS (
    SELECT
        process_key, execs,
        MAX(CASE WHEN is_exec = 1 THEN ts END) AS executed,
        MIN(forked) AS forked,
        MAX(comm) AS comm,
        MAX(command) AS command
    FROM named
    GROUP BY process_key, execs
),
bounded AS (
    SELECT
        *,
        LEAD(executed) OVER one AS next_executed,
        LAG(forked) OVER one AS forked_before
    FROM lives
    WINDOW one AS (PARTITION BY process_key ORDER BY execs)
),
told AS (
    SELECT
        b.process_key, b.execs, b.forked_before,
        COALESCE(b.executed, b.forked) AS began,
        COALESCE(b.next_executed, p.ended) AS ended,
        b.next_executed IS NULL AS is_last,
        CASE WHEN b.next_executed IS NULL THEN p.comm ELSE b.comm END AS comm,
        CASE WHEN b.next_executed IS NULL THEN p.command ELSE COALESCE(b.command, '[' || b.comm || ']') END AS command,
        p.exit_code, p.signal, p.cpu_ns, p.ppid, p.parent_start, p.parent_comm
    FROM bounded AS b
    JOIN mine AS p ON p.process_key = b.process_key
    -- Between its fork and its first exec a process has no program of its own; and if its fork is missing and it did
    -- not exist at the start, nothing is known before its exec.
    WHERE b.execs > 0
        OR b.next_executed IS NULL
        OR (p.alive_at_start AND b.forked IS NULL)
),
shown AS (
    SELECT t.*, COUNT(*) OVER (PARTITION BY t.process_key) AS lives
    FROM told AS t
    CROSS JOIN main.recording AS r
    WHERE (r.since IS NULL OR t.ended IS NULL OR t.ended >= r.since)
        AND (r.until IS NULL OR t.began IS NULL OR t.began < r.until)
)
SELECT
    s.process_key.pid,
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
    s.process_key.start
FROM shown AS s
ORDER BY s.began NULLS LAST, s.process_key.start, s.process_key.pid, s.execs;
