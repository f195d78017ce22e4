-- The processes that findings are about: the chosen ones without the recorder.
--
-- With their counts in the window, and how long they lived in it.
--
-- needs: finding.everyone, finding.span, main.cpu, main.exits, unfiltered.likely_wait, unfiltered.processes
-- kept: window
CREATE VIEW finding.process(
    -- Process id (thread group id).
    pid,
    -- Start time of the process, since boot [ns].
    start,
    -- Last known command name.
    comm,
    -- Arguments of its last program.
    command,
    -- Process id of the parent.
    ppid,
    -- `start` of the parent [ns].
    parent_start,
    -- Last known command name of the parent.
    parent_comm,
    -- When it began, since 1970 [ns].
    began_ns,
    -- When it ended [ns]; NULL if its end was not recorded.
    ended_ns,
    -- Whether it ended in the window.
    ended_here,
    -- From its start to its end [ns].
    lifetime_ns,
    -- Its exit code.
    exit_code,
    -- The signal that ended it.
    signal,
    -- Whether a core was dumped.
    core_dumped,
    -- Its peak resident memory [bytes].
    peak_rss_bytes,
    -- Its lifetime within the counted part of the window [s]; at least 1 ns.
    alive_s,
    -- CPU time in the window [s]; NULL if none was counted.
    cpu_s,
    -- Time that its threads waited for a CPU in the window [s], without intervals with more than 0.2 s per switch:
    -- since Linux 6.12 the kernel sometimes counts a sleep as a wait. NULL if not counted.
    wait_s,
    -- What identifies the process: a struct of `pid` and `start`.
    process_key,
    -- `process_key` of that parent; NULL if `parent_start` is.
    parent_key
) AS
WITH
used AS (
    SELECT process_key,
        SUM(oncpu_ns) / 1e9 AS cpu_s,
        SUM(unfiltered.likely_wait(wait_ns, voluntary_switches, involuntary_switches))
            FILTER (WHERE waited_for IS DISTINCT FROM 'throttled') / 1e9 AS wait_s
    FROM main.cpu
    GROUP BY process_key
),
ends AS (
    SELECT process_key, MAX(peak_rss_bytes) AS peak_rss_bytes
    FROM main.exits
    GROUP BY process_key
),
everyone AS (
    SELECT *, EPOCH_NS(started) AS began_ns, EPOCH_NS(ended) AS ended_ns
    FROM finding.everyone
)
SELECT
    p.pid,
    p.start,
    p.comm,
    p.command,
    p.ppid,
    p.parent_start,
    parent.comm,
    p.began_ns,
    p.ended_ns,
    COALESCE(p.ended_ns BETWEEN s.began_ns AND s.ended_ns, FALSE),
    p.lifetime_ns,
    p.exit_code,
    p.signal,
    p.core_dumped,
    e.peak_rss_bytes,
    GREATEST(
        LEAST(COALESCE(p.ended_ns, s.counted_to_ns), s.counted_to_ns)
        - GREATEST(COALESCE(p.began_ns, s.counted_from_ns), s.counted_from_ns), 1
    ) / 1e9,
    u.cpu_s,
    u.wait_s,
    p.process_key,
    p.parent_key
FROM everyone AS p
CROSS JOIN finding.span AS s
LEFT JOIN unfiltered.processes AS parent ON parent.process_key = p.parent_key
LEFT JOIN used AS u ON u.process_key = p.process_key
LEFT JOIN ends AS e ON e.process_key = p.process_key
WHERE NOT COALESCE(p.is_recorder, FALSE);
