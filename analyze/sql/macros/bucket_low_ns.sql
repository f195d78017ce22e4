-- Smallest latency of a bucket [ns]; SYSCALL_STATS in bpf/kinds/syscalls.py defines them.
--
-- needs: unfiltered.is_bucket
CREATE MACRO unfiltered.bucket_low_ns(bucket) AS CASE
    WHEN bucket < 8 THEN bucket
    WHEN unfiltered.is_bucket(bucket) THEN (8 + bucket % 8) * CAST(POWER(2, FLOOR(bucket / 8) - 1) AS BIGINT)
END;
