-- How processes of each command ended, on one side.
--
-- For the exits that were recorded.
--
-- needs: diff.named, main.exits
-- kept: window
CREATE VIEW diff.exits(
    -- Command name; NULL if unknown.
    command,
    -- Exit code; NULL if a signal ended them.
    exit_code,
    -- Signal that ended them; NULL if they exited normally.
    signal,
    -- Processes that ended this way.
    processes
) AS
SELECT n.command, e.exit_code, e.signal, COUNT(*)
FROM main.exits AS e
LEFT JOIN diff.named AS n ON n.process_key = e.process_key
WHERE NOT COALESCE(n.is_recorder, FALSE)
GROUP BY n.command, e.exit_code, e.signal;
