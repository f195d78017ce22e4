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
    -- Time that it ran threads, of any process, recorded or not [ns]. In traces of schema version 1 with what was stolen.
    busy_ns,
    -- Time that it had something to do, while the hypervisor ran something else, in ticks of 10 ms [ns]; NULL: an older
    -- recorder did not look.
    stolen_ns,
    -- Part of its idle and busy time in interrupts, in ticks of 10 ms, mostly from samples [ns]; NULL as `stolen_ns`.
    interrupt_ns,
    -- Time that it was off line [ns]; NULL: an older recorder did not look.
    offline_ns,
    -- Time that it was on line [ns].
    online_ns,
    -- Time that it had something to do [ns]: busy or stolen.
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
