-- Idle, busy and stolen time of each CPU.
--
-- Busy is everything except the CPU's idle thread: any process, recorded or not, and interrupts. Interrupts that
-- arrive while the CPU is idle count as idle. A CPU that is offline is neither idle nor busy, and neither is one
-- that the hypervisor took away while it had work: busy, idle and stolen time together are all of the time online.
--
-- needs: main.host
CREATE VIEW report.cpus(
    -- Number of the CPU.
    cpu,
    -- Time that it ran threads [s].
    busy_s,
    -- Idle time [s].
    idle_s,
    -- Time that the hypervisor took while the CPU had work [s], to 0.01 s; NULL if recorded by an older version.
    stolen_s,
    -- Time offline [s]; NULL if recorded by an older version.
    offline_s,
    -- Busy time as a share of the time it was online [%].
    busy_pct,
    -- The largest such share in one snapshot [%].
    max_busy_pct,
    -- Stolen time as a share of the time it was online [%].
    stolen_pct,
    -- Part of its idle and busy time in hard and soft interrupts [s], mostly sampled at the kernel's ticks.
    interrupt_s
) AS
SELECT
    cpu,
    SUM(busy_ns) / 1e9,
    SUM(idle_ns) / 1e9,
    SUM(stolen_ns) / 1e9,
    SUM(offline_ns) / 1e9,
    100.0 * SUM(busy_ns) / NULLIF(SUM(online_ns), 0),
    MAX(100.0 * busy_ns / NULLIF(online_ns, 0)),
    100.0 * SUM(stolen_ns) / NULLIF(SUM(online_ns), 0),
    SUM(interrupt_ns) / 1e9
FROM main.host
GROUP BY cpu
ORDER BY cpu NULLS LAST;
