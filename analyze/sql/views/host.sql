-- What one CPU did since the previous snapshot.
--
-- Idle, busy, stolen and offline time add up to the time between the snapshots.
--
-- needs: windowed.host
CREATE VIEW host(
    -- When the snapshot was taken.
    ts,
    -- Number of the CPU.
    cpu,
    -- Time that it ran nothing but its idle thread [ns].
    idle_ns,
    -- Time that it ran threads of any process, recorded or not [ns]. In traces of schema version 1 this includes stolen time.
    busy_ns,
    -- Time that it had work while the hypervisor ran something else, in ticks of 10 ms [ns]; NULL if recorded by an
    -- older version.
    stolen_ns,
    -- Part of its idle and busy time in interrupts, in ticks of 10 ms, mostly sampled [ns]; NULL when `stolen_ns` is.
    interrupt_ns,
    -- Time that it was offline [ns]; NULL if recorded by an older version.
    offline_ns,
    -- Time that it was online [ns].
    online_ns,
    -- Time that it had work [ns]: busy or stolen.
    wanted_ns
) AS
SELECT
    ts,
    cpu,
    idle_ns,
    busy_ns,
    stolen_ns,
    interrupt_ns,
    offline_ns,
    TRY(idle_ns + busy_ns + COALESCE(stolen_ns, 0)),
    TRY(busy_ns + COALESCE(stolen_ns, 0))
FROM windowed.host;
