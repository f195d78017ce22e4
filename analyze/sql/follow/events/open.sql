-- Files that were opened.
--
-- One for each call that opens a file, when it returned, as opensnoop shows it: the path, and the descriptor.
--
-- needs: main.opens
-- only of: open
CREATE VIEW event.open(
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
    'open',
    pid,
    start,
    comm,
    error IS NOT NULL,
    error,
    COALESCE(name, '?') || CASE WHEN path_truncated THEN ' ...' ELSE '' END
        || CASE WHEN result >= 0 THEN ' = ' || result ELSE '' END,
    TRY_CAST(latency_ns AS BIGINT)
FROM main.opens;
