-- Input for the tests of system calls: sums over both sides, by command and call and by call alone.
--
-- For the commands in both recordings, and for all together.
CREATE VIEW measures.calls(
    -- Whether the row is for all commands together.
    all_commands,
    -- The command; NULL if its name is unknown, or for all.
    command,
    -- Name of the call.
    syscall,
    -- System call table if not that of 64-bit programs; NULL otherwise.
    abi,
    -- Calls.
    calls_before,
    -- The same, after.
    calls_after,
    -- Calls among them that failed.
    errors_before,
    -- The same, after.
    errors_after,
    -- Calls among them that returned.
    returned_before,
    -- The same, after.
    returned_after,
    -- Sum of the latencies [ns].
    total_before_ns,
    -- The same, after.
    total_after_ns,
    -- Percentiles of latency [ns].
    p50_before_ns,
    -- The same, after.
    p50_after_ns,
    -- The same, after.
    p99_before_ns,
    -- The same, after.
    p99_after_ns,
    -- Probability that a call of AFTER is slower than one of BEFORE, ties counting half.
    slower,
    -- Sum of t³ - t over the buckets of t calls each, of both sides.
    ties,
    -- Calls in buckets above that of the lower p99.
    tail_before,
    -- The same, after.
    tail_after,
    -- Blocks of time with calls.
    blocks_before,
    -- The same, after.
    blocks_after,
    -- Variance between blocks of the mean placement among the other side's calls.
    slower_variance_before,
    -- The same, after.
    slower_variance_after,
    -- Variance of the share of the calls in the tail.
    tail_variance_before,
    -- The same, after.
    tail_variance_after,
    -- Variance of the share of errors.
    errors_variance_before,
    -- The same, after.
    errors_variance_after,
    -- Variance of calls per block divided by their mean, including empty blocks; NULL for a run.
    dispersion_before,
    -- The same, after.
    dispersion_after,
    -- Blocks without the idle ones at both ends; NULL for a run.
    active_blocks_before,
    -- The same, after.
    active_blocks_after,
    -- Calls in these.
    active_calls_before,
    -- The same, after.
    active_calls_after,
    -- Variance of calls per such block divided by their mean.
    active_dispersion_before,
    -- The same, after.
    active_dispersion_after,
    -- Probability that a block of AFTER has a higher rate than one of BEFORE, ties counting half; NULL for a run.
    busier,
    -- Sum of t³ - t over the rates that t blocks each have, of both sides.
    busier_ties
) AS
WITH
in_both AS (
    SELECT command
    FROM sides.programs
    GROUP BY command
    HAVING COUNT(DISTINCT is_after) = 2
),
chosen AS (
    SELECT *
    FROM sides.cells
    WHERE LEN(getvariable('comms')) = 0 OR LIST_CONTAINS(getvariable('comms'), command)
),
scoped AS (
    SELECT FALSE AS all_commands, c.* EXCLUDE (slept_ns)
    FROM chosen AS c
    JOIN in_both AS b ON b.command IS NOT DISTINCT FROM c.command
    UNION ALL
    SELECT TRUE, is_after, NULL, syscall, abi, block, low_ns, high_ns, SUM(calls), SUM(errors), SUM(total_ns), MAX(max_ns)
    FROM chosen
    GROUP BY is_after, syscall, abi, block, low_ns, high_ns
),
numbered AS (
    SELECT *, DENSE_RANK() OVER (ORDER BY all_commands, command, syscall, abi) AS key
    FROM scoped
),
buckets AS (
    SELECT
        key, low_ns, high_ns,
        COALESCE(SUM(CASE WHEN NOT is_after THEN calls END), 0) AS b,
        COALESCE(SUM(CASE WHEN is_after THEN calls END), 0) AS a,
        MAX(CASE WHEN NOT is_after THEN max_ns END) AS max_b,
        MAX(CASE WHEN is_after THEN max_ns END) AS max_a
    FROM numbered
    WHERE low_ns IS NOT NULL
    GROUP BY key, low_ns, high_ns
),
ranked AS (
    SELECT
        *,
        CASE WHEN b > 0 THEN unfiltered.bucket_middle_ns(low_ns, high_ns, max_b) END AS middle_b,
        CASE WHEN a > 0 THEN unfiltered.bucket_middle_ns(low_ns, high_ns, max_a) END AS middle_a,
        CAST(a + b AS DOUBLE PRECISION) AS t,
        SUM(b) OVER one_call AS n_b,
        SUM(a) OVER one_call AS n_a,
        SUM(b) OVER (one_call ORDER BY low_ns) AS reached_b,
        SUM(a) OVER (one_call ORDER BY low_ns) AS reached_a
    FROM buckets
    WINDOW one_call AS (PARTITION BY key)
),
-- A bucket's placement on a side: the share of that side's calls that are faster, those in the bucket counting half.
placed AS (
    SELECT
        *,
        (reached_b - b / 2.0) / NULLIF(n_b, 0) AS place_in_b,
        (reached_a - a / 2.0) / NULLIF(n_a, 0) AS place_in_a
    FROM ranked
),
shapes AS (
    SELECT
        key,
        unfiltered.percentile_ns(500, middle_b, reached_b, n_b) AS p50_b,
        unfiltered.percentile_ns(500, middle_a, reached_a, n_a) AS p50_a,
        unfiltered.percentile_ns(990, middle_b, reached_b, n_b) AS p99_b,
        unfiltered.percentile_ns(990, middle_a, reached_a, n_a) AS p99_a,
        LEAST(
            MIN(CASE WHEN b > 0 AND reached_b * 100 >= n_b * 99 THEN low_ns END),
            MIN(CASE WHEN a > 0 AND reached_a * 100 >= n_a * 99 THEN low_ns END)
        ) AS edge_ns,
        SUM(a * place_in_b) / NULLIF(MAX(n_a), 0) AS slower,
        SUM(t * t * t - t) AS ties
    FROM placed
    GROUP BY key
),
in_blocks AS (
    SELECT
        n.key, n.is_after, n.block,
        SUM(n.calls) AS calls,
        SUM(n.errors) AS errors,
        SUM(n.total_ns) AS total_ns,
        COALESCE(SUM(CASE WHEN n.low_ns IS NOT NULL THEN n.calls END), 0) AS returned,
        COALESCE(SUM(n.calls * CASE WHEN n.is_after THEN p.place_in_b ELSE p.place_in_a END), 0) AS places,
        COALESCE(SUM(CASE WHEN n.low_ns > s.edge_ns THEN n.calls END), 0) AS tail
    FROM numbered AS n
    LEFT JOIN placed AS p ON p.key = n.key AND p.low_ns = n.low_ns
    LEFT JOIN shapes AS s ON s.key = n.key
    GROUP BY n.key, n.is_after, n.block
),
-- From the first block to the last with at least a twentieth of the fullest one's calls: the time before and after
-- is idle. The first and last of them are left out if idle ones are next to them, as they may be partly idle.
ends AS (
    SELECT i.key, i.is_after,
        MIN(i.block) + CASE WHEN MIN(i.block) > 0 THEN 1 ELSE 0 END AS first,
        MAX(i.block) - CASE WHEN MAX(i.block) < MAX(s.blocks) - 1 THEN 1 ELSE 0 END AS last
    FROM (SELECT *, MAX(calls) OVER (PARTITION BY key, is_after) AS most FROM in_blocks) AS i
    JOIN sides.spans AS s ON s.is_after = i.is_after
    WHERE i.calls * 20 >= i.most AND s.per = 's'
    GROUP BY i.key, i.is_after
),
active AS (
    SELECT
        e.key, e.is_after,
        MAX(e.last - e.first + 1) AS blocks,
        TRY_CAST(SUM(i.calls) AS BIGINT) AS calls,
        (MAX(e.last - e.first + 1) * SUM(CAST(i.calls AS DOUBLE PRECISION) * i.calls) / SUM(i.calls) - SUM(i.calls))
            / NULLIF(MAX(e.last - e.first), 0) AS dispersion
    FROM ends AS e
    JOIN in_blocks AS i ON i.key = e.key AND i.is_after = e.is_after AND i.block BETWEEN e.first AND e.last
    GROUP BY e.key, e.is_after
),
-- Each side's blocks by their rate; those without calls have rate 0.
block_rates AS (
    SELECT i.key, i.is_after, i.calls / s.length_ns * s.blocks AS rate, 1 AS n
    FROM in_blocks AS i
    JOIN sides.spans AS s ON s.is_after = i.is_after
    WHERE s.per = 's' AND s.length_ns > 0
    UNION ALL
    SELECT k.key, s.is_after, 0, s.blocks - COUNT(i.block)
    FROM (SELECT DISTINCT key FROM in_blocks) AS k
    CROSS JOIN sides.spans AS s
    LEFT JOIN in_blocks AS i ON i.key = k.key AND i.is_after = s.is_after
    WHERE s.per = 's' AND s.length_ns > 0
    GROUP BY k.key, s.is_after, s.blocks
),
rates AS (
    SELECT
        key, rate,
        SUM(CASE WHEN is_after THEN 0 ELSE n END) AS b,
        SUM(CASE WHEN is_after THEN n ELSE 0 END) AS a
    FROM block_rates
    GROUP BY key, rate
),
ranked_rates AS (
    SELECT
        *,
        SUM(b) OVER (PARTITION BY key ORDER BY rate) - b / 2.0 AS place,
        CAST(a + b AS DOUBLE PRECISION) AS t
    FROM rates
),
paces AS (
    SELECT
        key,
        CAST(SUM(a * place) AS DOUBLE PRECISION) / NULLIF(SUM(a) * SUM(b), 0) AS busier,
        SUM(t * t * t - t) AS busier_ties
    FROM ranked_rates
    GROUP BY key
),
compared AS (
    SELECT
        *,
        SUM(places) OVER side / NULLIF(SUM(returned) OVER side, 0) AS mean_place,
        CAST(SUM(tail) OVER side AS DOUBLE PRECISION) / NULLIF(SUM(returned) OVER side, 0) AS tail_share,
        CAST(SUM(errors) OVER side AS DOUBLE PRECISION) / SUM(calls) OVER side AS error_share
    FROM in_blocks
    WINDOW side AS (PARTITION BY key, is_after)
),
squared AS (
    SELECT
        key, is_after,
        COUNT(*) AS blocks,
        CAST(COUNT(*) AS DOUBLE PRECISION) / NULLIF(COUNT(*) - 1, 0) AS correction,
        TRY_CAST(SUM(calls) AS BIGINT) AS calls,
        TRY_CAST(SUM(errors) AS BIGINT) AS errors,
        TRY_CAST(SUM(returned) AS BIGINT) AS returned,
        TRY_CAST(SUM(total_ns) AS BIGINT) AS total_ns,
        TRY_CAST(SUM(tail) AS BIGINT) AS tail,
        SUM(POWER(places - returned * mean_place, 2)) / NULLIF(POWER(SUM(returned), 2), 0) AS place_square,
        SUM(POWER(tail - returned * tail_share, 2)) / NULLIF(POWER(SUM(returned), 2), 0) AS tail_square,
        SUM(POWER(errors - calls * error_share, 2)) / POWER(SUM(calls), 2) AS error_square,
        SUM(CAST(calls AS DOUBLE PRECISION) * calls) AS call_square
    FROM compared
    GROUP BY key, is_after
),
varied AS (
    SELECT
        q.*,
        q.correction * place_square AS place_variance,
        q.correction * tail_square AS tail_variance,
        q.correction * error_square AS error_variance,
        CASE WHEN s.per = 's' THEN (s.blocks * call_square / q.calls - q.calls) / NULLIF(s.blocks - 1, 0) END AS dispersion
    FROM squared AS q
    JOIN sides.spans AS s ON s.is_after = q.is_after
),
names AS (
    SELECT DISTINCT key, all_commands, command, syscall, abi
    FROM numbered
)
SELECT
    n.all_commands,
    n.command,
    n.syscall,
    n.abi,
    COALESCE(b.calls, 0), COALESCE(a.calls, 0),
    COALESCE(b.errors, 0), COALESCE(a.errors, 0),
    COALESCE(b.returned, 0), COALESCE(a.returned, 0),
    COALESCE(b.total_ns, 0), COALESCE(a.total_ns, 0),
    s.p50_b, s.p50_a,
    s.p99_b, s.p99_a,
    s.slower,
    s.ties,
    COALESCE(b.tail, 0), COALESCE(a.tail, 0),
    COALESCE(b.blocks, 0), COALESCE(a.blocks, 0),
    b.place_variance, a.place_variance,
    b.tail_variance, a.tail_variance,
    b.error_variance, a.error_variance,
    b.dispersion, a.dispersion,
    ab.blocks, aa.blocks,
    ab.calls, aa.calls,
    ab.dispersion, aa.dispersion,
    r.busier,
    r.busier_ties
FROM names AS n
LEFT JOIN shapes AS s ON s.key = n.key
LEFT JOIN paces AS r ON r.key = n.key
LEFT JOIN active AS ab ON ab.key = n.key AND NOT ab.is_after
LEFT JOIN active AS aa ON aa.key = n.key AND aa.is_after
LEFT JOIN varied AS b ON b.key = n.key AND NOT b.is_after
LEFT JOIN varied AS a ON a.key = n.key AND a.is_after;
