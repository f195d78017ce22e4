-- Sockets: created, connected, accepted, bound, listened on or shut down.
--
-- One for each such call, when it returned. A connect that goes on (EINPROGRESS) does not stand out; its outcome is the
-- end of the connection.
--
-- needs: main.sockets, unfiltered.connects, unfiltered.file_name
-- only of: socket
CREATE VIEW event.socket(
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
WITH named AS (
    SELECT
        *,
        CASE WHEN family = 'AF_INET6' THEN '[' || local_address || ']' ELSE local_address END
            || COALESCE(':' || local_port, '') AS here,
        COALESCE(
            unfiltered.file_name(mount_namespace, unix_path),
            CASE WHEN family = 'AF_INET6' THEN '[' || remote_address || ']' ELSE remote_address END
                || COALESCE(':' || remote_port, '')
        ) AS there
    FROM main.sockets
)
SELECT
    EPOCH_NS(ts),
    EPOCH_NS(ts),
    'socket',
    pid,
    start,
    comm,
    COALESCE(error <> 'EINPROGRESS', FALSE),
    error,
    COALESCE(syscall, '?') || CASE
        WHEN unfiltered.connects(syscall) THEN COALESCE(' ' || there, '')
        WHEN syscall LIKE 'accept%' THEN COALESCE(' ' || here, '') || COALESCE(' from ' || there, '')
        WHEN syscall IN ('bind', 'listen') THEN COALESCE(' ' || here, '')
        WHEN syscall = 'shutdown' THEN COALESCE(' ' || how, '') || COALESCE(' ' || there, '')
        ELSE COALESCE(' ' || family, '') || COALESCE(' ' || socket_type, '')
    END,
    TRY_CAST(latency_ns AS BIGINT)
FROM named;
