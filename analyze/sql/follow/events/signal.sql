-- Signals that were sent.
--
-- To the process that is named, with the sender, and what the kernel did with a signal that was not queued.
--
-- needs: main.signals, unfiltered.process_key, unfiltered.processes, unfiltered.signal_name
-- only of: signal
CREATE VIEW event.signal(
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
    'signal',
    e.pid,
    e.start,
    p.comm,
    FALSE,
    CAST(NULL AS VARCHAR),
    COALESCE(unfiltered.signal_name(e.signo), 'signal ' || e.signo, '?') || ' from '
        || COALESCE(COALESCE(s.comm || ' ', '') || e.sender_pid, 'the kernel')
        || CASE WHEN e.delivery <> 'queued' THEN ', ' || e.delivery ELSE '' END,
    CAST(NULL AS BIGINT)
FROM main.signals AS e
LEFT JOIN unfiltered.processes AS p ON p.process_key = e.process_key
LEFT JOIN unfiltered.processes AS s ON s.process_key = unfiltered.process_key(e.sender_pid, e.sender_start);
