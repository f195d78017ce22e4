-- What each CPU did: how long it was idle, and how long it ran anything.
--
-- Busy is whatever is not the CPU's idle thread, of any process, recorded or not, interrupts included. Interrupts that
-- come while the CPU is idle count as idle. A CPU that is off line is neither.
CREATE VIEW report.cpus(
    -- Number of the CPU.
    cpu,
    -- Time that it ran threads [s].
    busy_s,
    -- Time that it was idle [s].
    idle_s,
    -- Time that it was off line [s]; NULL: an older recorder did not look.
    offline_s,
    -- Its busy time as a share of the time that it was on line [%].
    busy_pct,
    -- The largest such share of one snapshot [%].
    max_busy_pct
) AS
SELECT
    cpu,
    SUM(busy_ns) / 1e9,
    SUM(idle_ns) / 1e9,
    SUM(offline_ns) / 1e9,
    100.0 * SUM(busy_ns) / NULLIF(SUM(TRY(idle_ns + busy_ns)), 0),
    MAX(100.0 * busy_ns / NULLIF(TRY(idle_ns + busy_ns), 0))
FROM main.host
GROUP BY cpu
ORDER BY cpu NULLS LAST;
