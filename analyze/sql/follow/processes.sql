-- What each process did in the window, those that used most CPU time first.
--
-- The figures of the reports `cpu`, `syscalls_by_process`, `memory_timeline` and `io`. A process that used no CPU time, made
-- no call and moved nothing has no row. What is not known of a process is NULL.
--
-- needs: finding.tally, main.recording, report.cpu, report.io, report.memory_timeline, unfiltered.process_key,
--    unfiltered.processes
-- kept: window
CREATE VIEW follow.processes(
    -- Process id (thread group id); 0: all processes that did not fit into a full map.
    pid,
    -- Last known command name.
    comm,
    -- CPU time [s].
    cpu_s,
    -- CPU time as a share of one CPU [%]; above 100 if several threads ran at once.
    cpu_pct,
    -- System calls.
    calls,
    -- System calls that failed.
    errors,
    -- Resident memory when last read in the window [bytes]; NULL if it was not.
    rss_bytes,
    -- Bytes that its calls read.
    read_bytes,
    -- Bytes that its calls wrote.
    written_bytes,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start,
    -- Part of `cpu_s` in user mode [s]; NULL if the kernel never sampled it.
    user_s,
    -- The same in the kernel [s].
    system_s,
    -- Time that its threads were ready to run and waited for a CPU [s].
    wait_s,
    -- Arguments of its last program, or its path, or its name in brackets; ends in ' ...' if cut.
    command
) AS
WITH
calls AS (
    SELECT pid, start, SUM(calls) AS calls, SUM(errors) AS errors
    FROM finding.tally
    GROUP BY pid, start
),
used AS (
    SELECT pid, start, cpu_s, cpu_pct, user_s, system_s, wait_s FROM report.cpu
    UNION ALL BY NAME
    SELECT pid, start, calls, errors FROM calls
    UNION ALL BY NAME
    SELECT pid, start, read_bytes, written_bytes FROM report.io
),
totals AS (
    SELECT
        pid, start,
        MAX(cpu_s) AS cpu_s,
        MAX(cpu_pct) AS cpu_pct,
        MAX(user_s) AS user_s,
        MAX(system_s) AS system_s,
        MAX(wait_s) AS wait_s,
        TRY_CAST(SUM(calls) AS BIGINT) AS calls,
        TRY_CAST(SUM(errors) AS BIGINT) AS errors,
        TRY_CAST(SUM(read_bytes) AS BIGINT) AS read_bytes,
        TRY_CAST(SUM(written_bytes) AS BIGINT) AS written_bytes
    FROM used
    GROUP BY pid, start
),
resident AS (
    SELECT pid, start, MAX_BY(rss_bytes, ts) AS rss_bytes
    FROM report.memory_timeline
    GROUP BY pid, start
),
known AS (
    SELECT CASE WHEN cpu_complete THEN 0 END AS cpu, CASE WHEN syscalls_complete THEN 0 END AS calls FROM main.recording
)
SELECT
    t.pid,
    p.comm,
    COALESCE(t.cpu_s, k.cpu),
    CASE WHEN t.cpu_s IS NULL THEN k.cpu ELSE t.cpu_pct END,
    COALESCE(t.calls, k.calls),
    COALESCE(t.errors, k.calls),
    m.rss_bytes,
    COALESCE(t.read_bytes, k.calls),
    COALESCE(t.written_bytes, k.calls),
    t.start,
    t.user_s,
    t.system_s,
    t.wait_s,
    p.command
FROM totals AS t
CROSS JOIN known AS k
LEFT JOIN resident AS m ON m.pid = t.pid AND m.start = t.start
LEFT JOIN unfiltered.processes AS p ON p.process_key = unfiltered.process_key(t.pid, t.start)
ORDER BY t.cpu_s DESC NULLS LAST, t.calls DESC NULLS LAST, t.pid, t.start;
