-- The largest resident memory of one process of each command, on one side.
--
-- At a snapshot after its last exec, before which it was another program; or the peak at its end, for a process
-- that began in the recording.
--
-- needs: diff.named, main.exits, main.memory, unfiltered.execs, unfiltered.forks, unfiltered.rss
-- kept: window
CREATE VIEW diff.memory(
    -- Command name; NULL if unknown.
    command,
    -- Processes for which it is known.
    processes,
    -- The largest of them [MiB].
    peak_mib
) AS
WITH
last_execs AS (
    SELECT process_key, MAX(ts) AS ts
    FROM unfiltered.execs
    GROUP BY process_key
),
seen AS (
    SELECT m.process_key, unfiltered.rss(m.rss_anon_bytes, m.rss_file_bytes, m.rss_shmem_bytes) AS bytes
    FROM main.memory AS m
    LEFT JOIN last_execs AS e ON e.process_key = m.process_key
    WHERE e.ts IS NULL OR m.ts > e.ts
    UNION ALL
    SELECT e.process_key, e.peak_rss_bytes
    FROM main.exits AS e
    JOIN unfiltered.forks AS f ON f.process_key = e.process_key
)
SELECT n.command, COUNT(DISTINCT s.process_key), MAX(s.bytes) / 1048576.0
FROM seen AS s
LEFT JOIN diff.named AS n ON n.process_key = s.process_key
WHERE s.bytes IS NOT NULL AND NOT COALESCE(n.is_recorder, FALSE)
GROUP BY n.command;
