-- Whether this is the number of a latency bucket. Those above 273 years (487 and above) are damage; NULL has no latency.
CREATE MACRO unfiltered.is_bucket(bucket) AS bucket < 487;
