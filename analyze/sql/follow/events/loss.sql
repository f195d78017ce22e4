-- What is missing from the trace.
--
-- What was lost since the previous snapshot, and why.
--
-- needs: main.losses
-- only of: loss
CREATE VIEW event.loss(
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
    'loss',
    CAST(NULL AS UINTEGER),
    CAST(NULL AS UBIGINT),
    CAST(NULL AS VARCHAR),
    TRUE,
    CAST(NULL AS VARCHAR),
    COALESCE(CAST(lost AS VARCHAR), '?') || ' of ' || COALESCE(place, '?') || ' lost: ' || COALESCE(cause, '?'),
    CAST(NULL AS BIGINT)
FROM main.losses;
