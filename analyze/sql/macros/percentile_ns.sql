-- A percentile of latency, over the buckets of one call [ns]: the middle of the first bucket that reaches this share of the
-- calls, in thousandths. `reached` counts the calls in the bucket and in all below it, `n` all of them.
CREATE MACRO unfiltered.percentile_ns(permille, middle_ns, reached, n) AS
    MIN(CASE WHEN reached * 1000 >= n * permille THEN middle_ns END);
