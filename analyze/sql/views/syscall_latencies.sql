-- The rows of `syscall_stats` with a name for every call and the limits of every bucket.
--
-- A bucket of more than 273 years (487 and above) is damage and has no limits.
CREATE VIEW syscall_latencies(
    -- When the snapshot was taken.
    ts,
    -- Process id (thread group id).
    pid,
    -- When the process began, since boot, rounded down to 10 ms [ns].
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
    max_ns
) AS
WITH
-- The octave is 0 for buckets that hold one nanosecond each; SYSCALL_STATS in bpf/syscalls.py defines them.
placed AS (
    SELECT
        *,
        bucket % 8 AS part,
        CASE
            WHEN bucket < 8 THEN 0
            WHEN bucket < 487 THEN FLOOR(bucket / 8)
        END AS octave
    FROM main.syscall_stats
),
sized AS (
    SELECT *, CASE WHEN octave = 0 THEN 1 ELSE CAST(POWER(2, octave - 1) AS BIGINT) END AS width
    FROM placed
)
SELECT
    ts,
    pid,
    start,
    abi,
    COALESCE(syscall, 'syscall_' || CAST(nr AS VARCHAR), 'unknown'),
    bucket IS NOT NULL,
    CASE WHEN octave = 0 THEN part ELSE (8 + part) * width END,
    CASE WHEN octave = 0 THEN part + 1 ELSE (9 + part) * width END,
    calls,
    errors,
    total_ns,
    max_ns
FROM sized;
