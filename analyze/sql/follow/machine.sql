-- What the whole machine did in the window, in one row.
--
-- The figures of the reports `cpus` and `losses`, the sums of those of the processes, and of the machine at the last snapshot.
-- What was not recorded is NULL, and what was recorded and did not happen is 0. Except for the CPUs, memory, pressure and
-- losses they are of the recorded processes.
--
-- needs: finding.span, follow.processes, main.forks, main.machine, main.snapshots, report.cpus, report.losses
CREATE VIEW follow.machine(
    -- Time that was counted [s].
    interval_s,
    -- Time that CPUs ran threads, as a share of the time that they were online [%].
    busy_pct,
    -- Part of the same time that recorded processes used in user mode [%]; NULL if the kernel sampled none.
    user_pct,
    -- The same in the kernel [%].
    system_pct,
    -- Time that the hypervisor took, as a share of the time that CPUs were online [%].
    stolen_pct,
    -- Threads that were ready to run and waited for a CPU, on average, by the waits that ended.
    waiting,
    -- System calls.
    calls,
    -- System calls that failed.
    errors,
    -- Processes that began.
    forks,
    -- Bytes that calls read.
    read_bytes,
    -- Bytes that calls wrote.
    written_bytes,
    -- Memory available to programs [bytes].
    available_bytes,
    -- Share of the time in which a task waited for a CPU [%]; at most 100, as it is read a moment after the snapshot.
    cpu_pressure_pct,
    -- Share of the time in which a task waited for memory [%].
    memory_pressure_pct,
    -- Share of the time in which a task waited for I/O [%].
    io_pressure_pct,
    -- What was lost from the trace.
    lost
) AS
WITH
-- 0 for a kind that was recorded, NULL for others and where no snapshot was taken.
nothing AS (
    SELECT
        CASE WHEN list_contains(getvariable('kinds'), 'cpu') THEN 0 END AS cpu,
        CASE WHEN list_contains(getvariable('kinds'), 'syscall_stats') THEN 0 END AS calls,
        CASE WHEN list_contains(getvariable('kinds'), 'fork') THEN 0 END AS forks,
        CASE WHEN list_contains(getvariable('kinds'), 'loss') THEN 0 END AS lost
    FROM (SELECT COUNT(*) AS n FROM main.snapshots)
    WHERE n > 0
),
machine AS (
    SELECT
        MAX_BY(mem_available_bytes, ts) AS available_bytes,
        SUM(cpu_some_ns) / 1e9 AS cpu_s,
        SUM(memory_some_ns) / 1e9 AS memory_s,
        SUM(io_some_ns) / 1e9 AS io_s
    FROM main.machine
),
cpus AS (
    SELECT
        SUM(busy_s) AS busy_s,
        SUM(stolen_s) AS stolen_s,
        SUM(busy_s + idle_s + COALESCE(stolen_s, 0)) AS online_s
    FROM report.cpus
),
processes AS (
    SELECT
        SUM(user_s) AS user_s,
        SUM(system_s) AS system_s,
        SUM(wait_s) AS wait_s,
        COUNT(cpu_s) AS n,
        TRY_CAST(SUM(calls) AS BIGINT) AS calls,
        TRY_CAST(SUM(errors) AS BIGINT) AS errors,
        TRY_CAST(SUM(read_bytes) AS BIGINT) AS read_bytes,
        TRY_CAST(SUM(written_bytes) AS BIGINT) AS written_bytes
    FROM follow.processes
),
forked AS (SELECT COUNT(*) AS n FROM main.forks),
missing AS (SELECT TRY_CAST(SUM(lost) AS BIGINT) AS lost FROM report.losses)
SELECT
    s.counted_s,
    100.0 * c.busy_s / NULLIF(c.online_s, 0),
    100.0 * p.user_s / NULLIF(c.online_s, 0),
    100.0 * p.system_s / NULLIF(c.online_s, 0),
    100.0 * c.stolen_s / NULLIF(c.online_s, 0),
    COALESCE(p.wait_s, CASE WHEN p.n = 0 THEN n.cpu END) / NULLIF(s.counted_s, 0),
    COALESCE(p.calls, n.calls),
    COALESCE(p.errors, n.calls),
    COALESCE(NULLIF(f.n, 0), n.forks),
    COALESCE(p.read_bytes, n.calls),
    COALESCE(p.written_bytes, n.calls),
    m.available_bytes,
    100.0 * LEAST(m.cpu_s / NULLIF(s.counted_s, 0), CASE WHEN m.cpu_s IS NOT NULL THEN 1 END),
    100.0 * LEAST(m.memory_s / NULLIF(s.counted_s, 0), CASE WHEN m.memory_s IS NOT NULL THEN 1 END),
    100.0 * LEAST(m.io_s / NULLIF(s.counted_s, 0), CASE WHEN m.io_s IS NOT NULL THEN 1 END),
    COALESCE(l.lost, n.lost)
FROM finding.span AS s
CROSS JOIN machine AS m
CROSS JOIN cpus AS c
CROSS JOIN processes AS p
CROSS JOIN forked AS f
CROSS JOIN missing AS l
LEFT JOIN nothing AS n ON TRUE;
