-- Processes that the kernel killed because there was no memory left.
--
-- With the process that needed memory.
--
-- needs: main.oom_kills, unfiltered.process_key, unfiltered.processes
-- only of: oom_kill
CREATE VIEW event.oom_kill(
    -- When it happened, since 1970 [ns].
    ts_ns,
    -- When it was over, since 1970 [ns]: who follows a recording sees it then.
    seen_ns,
    -- What happened, by the name that `--events` takes.
    event,
    -- Process id (thread group id); NULL if unknown, or of no process.
    pid,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start,
    -- Command name; NULL if unknown.
    comm,
    -- Whether it stands out: it failed, or something was lost.
    failed,
    -- Name of the error; NULL if there is none.
    error,
    -- What it was, as text.
    what,
    -- How long it took [ns]; NULL if that is not measured, or it takes no time.
    latency_ns
) AS
SELECT
    EPOCH_NS(e.ts),
    EPOCH_NS(e.ts),
    'oom_kill',
    e.pid,
    e.start,
    p.comm,
    TRUE,
    CAST(NULL AS VARCHAR),
    'killed, no memory left for ' || COALESCE(COALESCE(t.comm || ' ', '') || e.trigger_pid, 'the kernel'),
    CAST(NULL AS BIGINT)
FROM main.oom_kills AS e
LEFT JOIN unfiltered.processes AS p ON p.process_key = e.process_key
LEFT JOIN unfiltered.processes AS t ON t.process_key = unfiltered.process_key(e.trigger_pid, e.trigger_start);
