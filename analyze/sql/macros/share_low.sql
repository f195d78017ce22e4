-- The lower end of the 95 % interval of a share of which k in n samples tell (Wilson, 1927) [%].
CREATE MACRO unfiltered.share_low(k, n) AS
    100.0 * (k + 1.9207 - 1.96 * SQRT(k * (n - CAST(k AS DOUBLE)) / NULLIF(n, 0) + 0.9604)) / (n + 3.8416);
