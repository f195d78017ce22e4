-- Restart loops: the same command line, started again by one parent each time it has ended.
--
-- Listed from three starts on. A start counts if everything the parent had started with that command line had ended
-- by then, so parallel workers do not count. Processes with unknown names are left out.
--
-- needs: main.processes, unfiltered.process_key
CREATE VIEW report.restarts(
    -- Last known command name.
    comm,
    -- Last known command name of the parent.
    parent_comm,
    -- Process id of the parent.
    parent_pid,
    -- Starts, the first included.
    starts,
    -- Of these, processes that exited with a non-zero code or were killed by a signal.
    failed,
    -- Median of their lifetimes [ms]; NULL if none has ended.
    median_lifetime_ms,
    -- Median of the times from an end to the next start [ms].
    median_gap_ms,
    -- When the first began.
    first_started,
    -- When the last began.
    last_started,
    -- Arguments of its last program, or its path, or its name in brackets; ends in ' ...' if cut.
    command,
    -- Absolute path of its last program.
    path,
    -- `start` of the parent [ns].
    parent_start
) AS
WITH
-- For each process: when the last of the earlier ones ended, and how many never did.
followed AS (
    SELECT
        unfiltered.process_key(ppid, parent_start) AS parent, parent_comm, comm, command, path, started, lifetime_ns,
        EPOCH_NS(started) AS began_ns,
        CASE WHEN exit_code <> 0 OR signal IS NOT NULL THEN 1 ELSE 0 END AS failed,
        COUNT(*) OVER before AS earlier,
        COUNT(ended) OVER before AS earlier_ended,
        MAX(EPOCH_NS(ended)) OVER before AS free_ns
    FROM main.processes
    WHERE ppid IS NOT NULL
        AND comm IS NOT NULL
        AND started IS NOT NULL
    WINDOW before AS (
        PARTITION BY unfiltered.process_key(ppid, parent_start), comm, command, path
        ORDER BY started, start, pid
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),
loops AS (
    SELECT
        parent, comm, command, path,
        MAX(parent_comm) AS parent_comm,
        COUNT(*) AS starts,
        SUM(failed) AS failed,
        PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY lifetime_ns) AS lifetime_ns,
        PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY began_ns - free_ns) AS gap_ns,
        MIN(started) AS first_started,
        MAX(started) AS last_started
    FROM followed
    WHERE earlier = 0
        OR (earlier = earlier_ended AND began_ns >= free_ns)
    GROUP BY parent, comm, command, path
    HAVING COUNT(*) >= 3
)
SELECT
    l.comm,
    l.parent_comm,
    l.parent.pid,
    l.starts,
    TRY_CAST(l.failed AS BIGINT),
    l.lifetime_ns / 1e6,
    l.gap_ns / 1e6,
    l.first_started,
    l.last_started,
    l.command,
    l.path,
    l.parent.start
FROM loops AS l
ORDER BY l.failed DESC, l.starts DESC, l.first_started, l.parent.pid, l.parent.start, l.comm, l.command, l.path NULLS LAST;
