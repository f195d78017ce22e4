-- Smallest latency of a bucket [ns]; SYSCALL_STATS in bpf/kinds/syscalls.py defines them. A bucket above 273 years
-- (487 and above) is damage and has none.
CREATE MACRO unfiltered.bucket_low_ns(bucket) AS CASE
    WHEN bucket < 8 THEN bucket
    WHEN bucket < 487 THEN (8 + bucket % 8) * CAST(POWER(2, FLOOR(bucket / 8) - 1) AS BIGINT)
END;
