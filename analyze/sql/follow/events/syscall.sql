-- System calls with their arguments.
--
-- Only with `record --syscalls`; the time is that of the entry. Arguments are as strace shows them.
--
-- needs: main.syscall_events, unfiltered.call_name, unfiltered.processes
-- only of: syscall
CREATE VIEW event.syscall(
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
    EPOCH_NS(e.ts) + COALESCE(TRY_CAST(e.latency_ns AS BIGINT), 0),
    'syscall',
    e.pid,
    e.start,
    p.comm,
    e.error IS NOT NULL,
    e.error,
    unfiltered.call_name(e.syscall, e.nr) || '('
        || call_arguments(
            e.syscall, e.abi, e.arg1, e.arg2, e.arg3, e.arg4, e.arg5, e.arg6, e.string1, e.string2, e.sockaddr
        )
        || ') = ' || CASE
            WHEN e.result IS NULL OR e.error LIKE 'ERESTART%' THEN '?'
            WHEN e.error IS NOT NULL THEN '-1'
            WHEN e.syscall IN ('mmap', 'mmap2', 'mremap', 'brk', 'shmat') THEN PRINTF('0x%x', e.result)
            ELSE CAST(e.result AS VARCHAR)
        END || COALESCE(PRINTF(' <%.6f>', e.latency_ns / 1e9), ''),
    TRY_CAST(e.latency_ns AS BIGINT)
FROM main.syscall_events AS e
LEFT JOIN unfiltered.processes AS p ON p.process_key = e.process_key;
