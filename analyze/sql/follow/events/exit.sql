-- Processes that ended.
--
-- With the exit code or signal, and how long the process lived. A code other than 0 and a signal stand out.
--
-- needs: unfiltered.signal_name, windowed.exits
-- only of: exit
CREATE VIEW event.exit(
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
    'exit',
    pid,
    start,
    comm,
    COALESCE(exit_code <> 0, FALSE) OR signal IS NOT NULL,
    CAST(NULL AS VARCHAR),
    COALESCE(
        CASE
            WHEN signal IS NOT NULL THEN COALESCE(unfiltered.signal_name(signal), 'signal ' || signal)
                || CASE WHEN core_dumped THEN ', core dumped' ELSE '' END
            ELSE 'code ' || exit_code
        END,
        'ended'
    ) || COALESCE(PRINTF(' after %.3f s', lifetime_ns / 1e9), ''),
    TRY_CAST(lifetime_ns AS BIGINT)
FROM windowed.exits;
