-- The system calls of the window, each with its name and that name's rank.
--
-- Sums by process and call use the rank: text takes twice as long.
--
-- needs: main.syscall_stats, main.syscalls_in_flight, unfiltered.call_name
-- kept: window
CREATE VIEW finding.call_name(
    -- System call table of the number.
    abi,
    -- Number of the call.
    nr,
    -- Name of the call; NULL if it has none.
    syscall,
    -- Name of the call; 'syscall_N' if number N has no name, 'unknown' if the number is unknown.
    name,
    -- Rank of (`name`, `abi`).
    place
) AS
WITH seen AS (
    SELECT abi, nr, syscall FROM main.syscall_stats
    UNION
    SELECT abi, nr, syscall FROM main.syscalls_in_flight
),
named AS (
    SELECT *, unfiltered.call_name(syscall, nr) AS name
    FROM seen
)
SELECT abi, nr, syscall, name, CAST(DENSE_RANK() OVER (ORDER BY name, abi NULLS LAST) AS INTEGER)
FROM named;
