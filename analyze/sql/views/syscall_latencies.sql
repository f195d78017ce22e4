-- The rows of `syscall_stats` with a name for every call and the limits of every bucket.
--
-- A bucket above 273 years (487 and above) is damage and has no limits.
--
-- needs: main.syscall_stats, unfiltered.bucket_high_ns, unfiltered.bucket_low_ns, unfiltered.call_name
CREATE VIEW syscall_latencies(
    -- When the snapshot was taken.
    ts,
    -- Process id (thread group id).
    pid,
    -- Start time of the process, since boot [ns].
    start,
    -- System call table of the number, such as 'x86_64'.
    abi,
    -- Name of the call; 'syscall_N' if number N has no name, 'unknown' if the number is unknown.
    syscall,
    -- Whether the calls returned.
    returned,
    -- Lower limit of the bucket [ns].
    low_ns,
    -- Upper limit of the bucket [ns], exclusive.
    high_ns,
    -- Calls that returned, or never return.
    calls,
    -- Calls among them that failed.
    errors,
    -- Sum of their latencies [ns].
    total_ns,
    -- The largest of their latencies [ns].
    max_ns,
    -- Part of their latencies spent asleep, waiting for an event other than a disk [ns]; NULL if not measured.
    slept_ns,
    -- What identifies the process: a struct of `pid` and `start`.
    process_key
) AS
SELECT
    ts,
    pid,
    start,
    abi,
    unfiltered.call_name(syscall, nr),
    bucket IS NOT NULL,
    unfiltered.bucket_low_ns(bucket),
    unfiltered.bucket_high_ns(bucket),
    calls,
    errors,
    total_ns,
    max_ns,
    TRY(blocked_ns - uninterruptible_ns),
    process_key
FROM main.syscall_stats;
