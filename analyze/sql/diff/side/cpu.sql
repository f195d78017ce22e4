-- CPU time of a side, by command and block of time.
--
-- For the commands that used any.
--
-- needs: diff.named, diff.span, main.cpu
-- kept: window
CREATE VIEW diff.cpu(
    -- Command name; NULL if unknown.
    command,
    -- The block of time.
    block,
    -- CPU time [s].
    cpu_s,
    -- Time waiting for a CPU [s]; NULL if the kernel does not count it.
    wait_s
) AS
SELECT
    n.command,
    CAST(GREATEST(0, LEAST(
        s.blocks - 1,
        ROUND((CAST(EPOCH_NS(c.ts) AS DOUBLE PRECISION) - s.began_ns) * s.blocks / GREATEST(s.length_ns, 1)) - 1
    )) AS INTEGER) AS block,
    CAST(SUM(c.oncpu_ns) AS DOUBLE PRECISION) / 1e9,
    CAST(SUM(c.wait_ns) AS DOUBLE PRECISION) / 1e9
FROM main.cpu AS c
CROSS JOIN diff.span AS s
LEFT JOIN diff.named AS n ON n.process_key = c.process_key
WHERE NOT COALESCE(n.is_recorder, FALSE) AND c.ts IS NOT NULL
GROUP BY n.command, 2;
