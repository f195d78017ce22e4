-- Upper limit of a bucket [ns], exclusive.
--
-- needs: unfiltered.is_bucket
CREATE MACRO unfiltered.bucket_high_ns(bucket) AS CASE
    WHEN bucket < 8 THEN bucket + 1
    WHEN unfiltered.is_bucket(bucket) THEN (9 + bucket % 8) * CAST(POWER(2, FLOOR(bucket / 8) - 1) AS BIGINT)
END;
