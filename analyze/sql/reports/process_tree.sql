-- Process tree: who started whom.
--
-- Children stand below their parent, two columns further in, in the order of their start. A process whose parent is not
-- in the answer is a root. Below 100 levels the tree is cut: what is deeper stands at the end, as roots.
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
    -- From its start to its end [s]; NULL while it lives at the end of the recording, or if its end was not recorded.
    lifetime_s,
    -- What it passed to exit(2), 0 to 255; NULL if a signal ended it.
    exit_code,
    -- The signal that ended it; NULL if it exited by itself.
    signal,
    -- CPU time used, without its children's [s]; NULL if that was not counted for it.
    cpu_s,
    -- Arguments of the program that it ran last, else its path, else its name in brackets; ends in ' ...' if cut.
    command,
    -- How many ancestors are above it.
    depth,
    -- When the process began, since boot [ns]. A process is the pair (pid, start).
    start
) AS
WITH RECURSIVE
-- `place` is the process's rank in time. A parent has an earlier place than its child, so that whatever a damaged trace
-- says there is no circle.
placed AS (
    SELECT *, ROW_NUMBER() OVER (ORDER BY start NULLS FIRST, pid) AS place
    FROM main.processes
),
edges AS (
    SELECT child.place, parent.place AS parent_place
    FROM placed AS child
    LEFT JOIN placed AS parent
        ON parent.pid = child.ppid
        AND parent.start = child.parent_start
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
