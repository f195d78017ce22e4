-- Notes that somebody added to the trace.
--
-- With `sysmon note`, at the moment that they are about, or at its beginning. The process is the one that they are about.
--
-- needs: main.notes
-- only of: note
CREATE VIEW event.note(
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
    EPOCH_NS(ts),
    EPOCH_NS(ts),
    'note',
    pid,
    CAST(NULL AS UBIGINT),
    CAST(NULL AS VARCHAR),
    FALSE,
    CAST(NULL AS VARCHAR),
    text,
    TRY(EPOCH_NS(until) - EPOCH_NS(ts))
FROM main.notes;
