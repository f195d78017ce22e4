-- Process tree: who started whom.
--
-- Children are listed below their parent, indented by two columns, in order of their start. A process whose parent
-- is not included is a root. The tree is cut at 100 levels: deeper processes are listed at the end as roots.
--
-- needs: main.processes
CREATE VIEW report.process_tree(
    -- Command name, indented by depth.
    tree,
    -- Process id (thread group id).
    pid,
    -- Process id of the parent.
    ppid,
    -- When it began.
    started,
    -- Lifetime [s]; NULL if it was alive at the end of the recording, or its end was not recorded.
    lifetime_s,
    -- Exit code, 0 to 255; NULL if a signal ended it.
    exit_code,
    -- Signal that ended it; NULL if it exited normally.
    signal,
    -- CPU time used, without its children's [s]; NULL if not counted for it.
    cpu_s,
    -- Arguments of its last program, or its path, or its name in brackets; ends in ' ...' if cut.
    command,
    -- Number of ancestors.
    depth,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH RECURSIVE
-- `place` is the process's rank in time. A parent ranks before its child, so even a damaged trace has no cycle.
placed AS (
    SELECT *, ROW_NUMBER() OVER (ORDER BY start NULLS FIRST, pid) AS place
    FROM main.processes
),
edges AS (
    SELECT child.place, parent.place AS parent_place
    FROM placed AS child
    LEFT JOIN placed AS parent
        ON parent.process_key = child.parent_key
        AND parent.place < child.place
),
-- `line` sorts a process after its parent and before its parent's next sibling.
walk AS (
    SELECT place, 0 AS depth, LPAD(CAST(place AS VARCHAR), 10, '0') AS line
    FROM edges
    WHERE parent_place IS NULL
    UNION ALL
    SELECT edges.place, walk.depth + 1, walk.line || '/' || LPAD(CAST(edges.place AS VARCHAR), 10, '0')
    FROM walk
    JOIN edges ON edges.parent_place = walk.place
    WHERE walk.depth < 99
)
SELECT
    REPEAT('  ', COALESCE(walk.depth, 0)) || COALESCE(p.comm, '?'),
    p.pid,
    p.ppid,
    p.started,
    p.lifetime_ns / 1e9,
    p.exit_code,
    p.signal,
    p.cpu_ns / 1e9,
    p.command,
    COALESCE(walk.depth, 0),
    p.start
FROM placed AS p
LEFT JOIN walk ON walk.place = p.place
ORDER BY walk.line NULLS LAST, p.place;
