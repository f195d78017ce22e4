-- Processes that began.
--
-- One for each fork, with the process that forked. The name is that before an exec.
--
-- needs: main.forks, unfiltered.process_key, unfiltered.processes
-- only of: fork
CREATE VIEW event.fork(
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
    'fork',
    e.pid,
    e.start,
    e.comm,
    FALSE,
    CAST(NULL AS VARCHAR),
    'by ' || COALESCE(p.comm || ' ', '') || e.ppid,
    CAST(NULL AS BIGINT)
FROM main.forks AS e
LEFT JOIN unfiltered.processes AS p ON p.process_key = unfiltered.process_key(e.ppid, e.parent_start);
