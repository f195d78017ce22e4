-- TCP connections by process and state, when the recording began and when it ended.
--
-- Many in CLOSE_WAIT: the other side has closed, and the process has not. Many in SYN_SENT: nobody answers. In FIN_WAIT2
-- the process has shut down its own side, and the other goes on. Connections of which no process has a descriptor, such
-- as those that wait to be accepted, have no process. A process that was given a connection by another is the one here.
--
-- needs: main.tcp_lives, unfiltered.processes
CREATE VIEW report.tcp_states(
    -- Process id of the one that has them, or that connected or accepted; NULL if there is none.
    pid,
    -- Its last known command name.
    comm,
    -- State.
    state,
    -- 'out': they were opened from here; 'in': to here. NULL if unknown.
    direction,
    -- Port of the side that was connected to: the local one, or the remote one of connections to elsewhere.
    service_port,
    -- How many were in this state when the recording began.
    at_start,
    -- How many at its end.
    at_end,
    -- The longest time that one of these had been in it, or at least since the recording began [s].
    longest_s,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
lives AS (
    SELECT *,
        COALESCE(holder_key, process_key) AS of_key,
        CASE direction WHEN 'out' THEN remote_port WHEN 'in' THEN local_port ELSE LEAST(local_port, remote_port) END AS port
    FROM main.tcp_lives
),
moments AS (
    SELECT process_key AS of_key, state_at_start AS state, direction, port, 1 AS at_start, 0 AS at_end, NULL AS ns
    FROM lives
    WHERE state_at_start IS NOT NULL
    UNION ALL
    SELECT of_key, tcp_state, direction, port, 0, 1, tcp_state_ns
    FROM lives
    WHERE ended IS NULL
),
totals AS (
    SELECT of_key, state, direction, port, SUM(at_start) AS at_start, SUM(at_end) AS at_end, MAX(ns) AS ns
    FROM moments
    GROUP BY of_key, state, direction, port
)
SELECT
    t.of_key.pid,
    p.comm,
    t.state,
    t.direction,
    t.port,
    TRY_CAST(t.at_start AS BIGINT),
    TRY_CAST(t.at_end AS BIGINT),
    t.ns / 1e9,
    t.of_key.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.of_key
ORDER BY t.at_end DESC, t.at_start DESC, t.of_key.pid NULLS LAST, t.of_key.start, t.state, t.direction NULLS LAST, t.port;
