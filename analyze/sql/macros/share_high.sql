-- The upper end of that interval; see share_low [%].
CREATE MACRO unfiltered.share_high(k, n) AS
    100.0 * (k + 1.9207 + 1.96 * SQRT(k * (n - CAST(k AS DOUBLE)) / NULLIF(n, 0) + 0.9604)) / (n + 3.8416);
