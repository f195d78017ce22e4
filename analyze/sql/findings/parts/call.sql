-- System calls of each process in the window, those that returned.
--
-- Without percentiles: they take ten times as long, and few calls need them.
--
-- needs: finding.call_name, finding.tally, unfiltered.process_key
CREATE VIEW finding.call(
    -- What identifies the process: a struct of `pid` and `start`.
    process_key,
    -- System call table of the number.
    abi,
    -- Name of the call; NULL if it has none.
    syscall,
    -- Calls that returned.
    calls,
    -- Calls among them that failed.
    errors,
    -- Sum of the latencies [s].
    total_s,
    -- Largest latency [us].
    max_us,
    -- Calls that took less than 20 us (exactly 20.48 us, a bucket's limit).
    under_20_us,
    -- Calls that took less than 1 ms (exactly 1.048576 ms).
    under_1_ms
) AS
WITH named AS (
    SELECT place, abi, MIN(syscall) AS syscall
    FROM finding.call_name
    GROUP BY place, abi
)
SELECT
    unfiltered.process_key(t.pid, t.start),
    n.abi,
    n.syscall,
    CAST(t.returned AS DOUBLE PRECISION),
    CAST(t.errors AS DOUBLE PRECISION),
    t.total_ns / 1e9,
    t.max_ns / 1e3,
    t.under_20_us,
    t.under_1_ms
FROM finding.tally AS t
JOIN named AS n ON n.place = t.place
WHERE t.returned IS NOT NULL;
