-- System calls of a side, by command, call, block of time and latency bucket.
--
-- Calls that returned or never will. Those that an end of the recording cut are not in it.
CREATE VIEW diff.cells(
    -- The command; NULL if no name is known.
    command,
    -- Name of the call.
    syscall,
    -- The table of system calls that it is from, of others than 64-bit programs such as 'i386'; NULL for theirs.
    abi,
    -- The block of time.
    block,
    -- Smallest latency of the bucket [ns]; NULL: the calls never returned.
    low_ns,
    -- Smallest latency of the next bucket [ns].
    high_ns,
    -- Calls.
    calls,
    -- Calls among them whose result was an error.
    errors,
    -- Sum of the latencies [ns].
    total_ns,
    -- Largest latency [ns].
    max_ns
) AS
SELECT
    n.command,
    l.syscall,
    CASE WHEN l.abi NOT IN ('x86_64', 'arm64', 'riscv64') THEN l.abi END AS abi,
    CAST(GREATEST(0, LEAST(
        s.blocks - 1,
        ROUND((CAST(EPOCH_NS(l.ts) AS DOUBLE PRECISION) - s.began_ns) * s.blocks / GREATEST(s.length_ns, 1)) - 1
    )) AS INTEGER) AS block,
    l.low_ns,
    l.high_ns,
    TRY_CAST(SUM(l.calls) AS BIGINT),
    TRY_CAST(COALESCE(SUM(l.errors), 0) AS BIGINT),
    TRY_CAST(COALESCE(SUM(CASE WHEN l.low_ns IS NOT NULL THEN l.total_ns END), 0) AS BIGINT),
    MAX(l.max_ns)
FROM main.syscall_latencies AS l
CROSS JOIN kept.span AS s
LEFT JOIN kept.named AS n ON n.pid = l.pid AND n.start IS NOT DISTINCT FROM l.start
WHERE NOT COALESCE(n.is_recorder, FALSE) AND l.ts IS NOT NULL
GROUP BY n.command, l.syscall, 3, 4, l.low_ns, l.high_ns
HAVING TRY_CAST(SUM(l.calls) AS BIGINT) > 0;
