-- DNS queries and answers.
--
-- Counted from snapshot to snapshot, so their time is that of the snapshot. An answer with another code than NOERROR
-- stands out.
--
-- needs: main.dns, unfiltered.processes, unfiltered.record_type
-- only of: dns
CREATE VIEW event.dns(
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
    'dns',
    e.pid,
    e.start,
    p.comm,
    COALESCE(e.answer <> 'NOERROR', FALSE),
    CASE WHEN e.answer <> 'NOERROR' THEN e.answer END,
    COALESCE(e.domain, '?') || COALESCE(' ' || unfiltered.record_type(e.record_type), '')
        || COALESCE(' at ' || e.remote_address, '')
        || CASE
            WHEN e.answer IS NULL THEN ': ' || e.queries || ' asked'
            ELSE ': ' || e.answers || ' answered'
        END,
    CASE WHEN e.answers > 0 THEN TRY_CAST(e.answer_ns / e.answers AS BIGINT) END
FROM main.dns AS e
LEFT JOIN unfiltered.processes AS p ON p.process_key = e.process_key;
