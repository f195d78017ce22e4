-- Latency of the calls in a bucket [ns]: its middle, but at most the largest latency in it, `max_ns`.
CREATE MACRO unfiltered.bucket_middle_ns(low_ns, high_ns, max_ns) AS LEAST(low_ns + (high_ns - low_ns - 1) / 2.0, max_ns);
