-- The rows of `syscall_stats` with a name for every call and the limits of every bucket.
--
-- A bucket of more than 273 years (487 and above) is damage and has no limits.
--
-- needs: main.syscall_stats, unfiltered.bucket_high_ns, unfiltered.bucket_low_ns, unfiltered.call_name
CREATE VIEW syscall_latencies(
    -- When the snapshot was taken.
    ts,
    -- Process id (thread group id).
    pid,
    -- When the process began, since boot [ns].
    start,
    -- The table of system calls that the number is from, such as 'x86_64'.
    abi,
    -- Name of the call: 'syscall_N' if number N has none, 'unknown' if there was no number.
    syscall,
    -- Whether the calls returned.
    returned,
    -- Smallest latency of the bucket [ns].
    low_ns,
    -- Smallest latency of the next bucket [ns].
    high_ns,
    -- Calls that returned, or will never return.
    calls,
    -- Calls among them whose result was an error.
    errors,
    -- Sum of their latencies [ns].
    total_ns,
    -- The largest of their latencies [ns].
    max_ns,
    -- How much of their latencies their threads slept until something happened, other than for a disk [ns]; NULL: not
    -- measured.
    slept_ns
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
    TRY(blocked_ns - uninterruptible_ns)
FROM main.syscall_stats;
