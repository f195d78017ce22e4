-- The system calls of the window, each with its name and the place of that among all names.
--
-- What is added up for each process and call goes by that number: text takes twice as long.
--
-- needs: main.syscall_stats, main.syscalls_in_flight, unfiltered.call_name
-- kept: window
CREATE VIEW finding.call_name(
    -- The table of system calls that the number is from.
    abi,
    -- Number of the call.
    nr,
    -- Name of the call; NULL if it has none.
    syscall,
    -- Name of the call; 'syscall_N' if number N has no name, 'unknown' if the number is unknown.
    name,
    -- The place of `name` and `abi` in the order by both.
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
