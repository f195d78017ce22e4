-- CPU time of each thread, and its share of the machine.
--
-- As the report `cpu`, by thread. Empty for traces recorded by older versions, which have CPU time by process only.
--
-- needs: main.cpu, main.host, unfiltered.processes
CREATE VIEW report.cpu_by_thread(
    -- Process id (thread group id).
    pid,
    -- Thread id.
    tid,
    -- Last known name of the thread.
    thread,
    -- Last known command name of the process.
    comm,
    -- CPU time [s].
    cpu_s,
    -- CPU time as a share of one CPU [%].
    cpu_pct,
    -- CPU time as a share of all CPUs together [%].
    machine_pct,
    -- Part of `cpu_s` in user mode [s], estimated from the kernel's samples, one per tick; NULL if it was never
    -- sampled.
    user_s,
    -- The same in the kernel.
    system_s,
    -- Part of the time on a CPU that was stolen by a hypervisor or taken by interrupts that the kernel accounts
    -- separately [s]. It is off by some us per switch, so small values mean nothing; NULL if recorded by an older
    -- version.
    taken_s,
    -- Time that it was ready to run and waited for a CPU [s]; NULL if the kernel does not count it. Since
    -- Linux 6.12 it sometimes includes sleeps; see the report `runqueue`.
    wait_s,
    -- Context switches away from a CPU.
    switches,
    -- Times that it moved to another CPU.
    migrations,
    -- Snapshots in which it used CPU time.
    snapshots,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
cpus AS (
    SELECT cpu, SUM(online_ns) AS ns
    FROM main.host
    GROUP BY cpu
),
machine AS (
    SELECT MAX(ns) AS one_ns, SUM(ns) AS all_ns
    FROM cpus
),
totals AS (
    SELECT
        process_key, tid,
        MAX_BY(thread, (ts, oncpu_ns, thread)) AS thread,
        SUM(oncpu_ns) AS oncpu_ns,
        SUM(occupied_ns) AS occupied_ns,
        SUM(user_ns) AS user_ns,
        SUM(system_ns) AS system_ns,
        SUM(wait_ns) AS wait_ns,
        TRY_CAST(SUM(TRY(voluntary_switches + involuntary_switches)) AS BIGINT) AS switches,
        TRY_CAST(SUM(migrations) AS BIGINT) AS migrations,
        COUNT(DISTINCT CASE WHEN oncpu_ns > 0 THEN ts END) AS snapshots
    FROM main.cpu
    WHERE tid IS NOT NULL
    GROUP BY process_key, tid
)
SELECT
    t.process_key.pid,
    t.tid,
    t.thread,
    p.comm,
    t.oncpu_ns / 1e9,
    100.0 * t.oncpu_ns / NULLIF(m.one_ns, 0),
    100.0 * t.oncpu_ns / NULLIF(m.all_ns, 0),
    t.oncpu_ns / 1e9 * t.user_ns / NULLIF(t.user_ns + t.system_ns, 0),
    t.oncpu_ns / 1e9 * t.system_ns / NULLIF(t.user_ns + t.system_ns, 0),
    CASE WHEN t.occupied_ns >= t.oncpu_ns THEN t.occupied_ns - t.oncpu_ns WHEN t.occupied_ns < t.oncpu_ns THEN 0 END / 1e9,
    t.wait_ns / 1e9,
    t.switches,
    t.migrations,
    t.snapshots,
    t.process_key.start
FROM totals AS t
CROSS JOIN machine AS m
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
ORDER BY t.oncpu_ns DESC NULLS LAST, t.process_key.pid, t.process_key.start, t.tid;
