-- System calls of a side, by command, call, block of time and latency bucket.
--
-- Calls that returned or never return, without those in flight at the start or the end of the recording.
--
-- needs: diff.named, diff.span, main.syscall_stats, unfiltered.bucket_high_ns, unfiltered.bucket_low_ns,
--    unfiltered.call_name
-- kept: window
CREATE VIEW diff.cells(
    -- Command name; NULL if unknown.
    command,
    -- Name of the call.
    syscall,
    -- System call table if not that of 64-bit programs, such as 'i386'; NULL otherwise.
    abi,
    -- The block of time.
    block,
    -- Lower limit of the bucket [ns]; NULL: the calls never returned.
    low_ns,
    -- Upper limit of the bucket [ns], exclusive.
    high_ns,
    -- Calls.
    calls,
    -- Calls among them that failed.
    errors,
    -- Sum of the latencies [ns].
    total_ns,
    -- Largest latency [ns].
    max_ns,
    -- Part of the latencies spent asleep, waiting for an event [ns]; NULL if not measured.
    slept_ns
) AS
WITH
-- Summed first, then named: naming row by row takes twice as long.
counted AS (
    SELECT
        n.command, c.abi, c.nr, c.syscall, c.bucket,
        CAST(GREATEST(0, LEAST(
            s.blocks - 1,
            ROUND((CAST(EPOCH_NS(c.ts) AS DOUBLE PRECISION) - s.began_ns) * s.blocks / GREATEST(s.length_ns, 1)) - 1
        )) AS INTEGER) AS block,
        SUM(c.calls) AS calls,
        SUM(c.errors) AS errors,
        SUM(c.total_ns) AS total_ns,
        MAX(c.max_ns) AS max_ns,
        SUM(TRY(c.blocked_ns - c.uninterruptible_ns)) AS slept_ns
    FROM main.syscall_stats AS c
    CROSS JOIN diff.span AS s
    LEFT JOIN diff.named AS n ON n.process_key = c.process_key
    WHERE NOT COALESCE(n.is_recorder, FALSE) AND c.ts IS NOT NULL
    GROUP BY n.command, c.abi, c.nr, c.syscall, c.bucket, 6
),
named AS (
    SELECT
        *,
        unfiltered.call_name(syscall, nr) AS name,
        CASE WHEN abi NOT IN ('x86_64', 'arm64', 'riscv64') THEN abi END AS other_abi,
        unfiltered.bucket_low_ns(bucket) AS low_ns,
        unfiltered.bucket_high_ns(bucket) AS high_ns
    FROM counted
)
SELECT
    command,
    name,
    other_abi,
    block,
    low_ns,
    high_ns,
    TRY_CAST(SUM(calls) AS BIGINT),
    TRY_CAST(COALESCE(SUM(errors), 0) AS BIGINT),
    TRY_CAST(COALESCE(SUM(CASE WHEN low_ns IS NOT NULL THEN total_ns END), 0) AS BIGINT),
    MAX(max_ns),
    TRY_CAST(SUM(slept_ns) AS BIGINT)
FROM named
GROUP BY command, name, other_abi, block, low_ns, high_ns
HAVING TRY_CAST(SUM(calls) AS BIGINT) > 0;
