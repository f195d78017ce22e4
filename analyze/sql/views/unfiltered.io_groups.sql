-- The control groups that I/O is charged to, by `io_group`.
--
-- In version 1 the names of groups without a limit are unknown.
--
-- needs: unfiltered.cgroup_limits, unfiltered.cgroup_paths
-- kept: recording
CREATE VIEW unfiltered.io_groups(
    -- Id of the group.
    io_group,
    -- Its path.
    path,
    -- Limits of its I/O; NULL if none are known.
    io_limits,
    -- 'unified' for version 2 of control groups, 'blkio' for version 1.
    hierarchy
) AS
WITH
hierarchy AS (
    SELECT CASE WHEN BOOL_OR(hierarchy = 'blkio') THEN 'blkio' ELSE 'unified' END AS name
    FROM unfiltered.cgroup_limits
),
named AS (
    SELECT limited_group AS id, cgroup_path AS path, io_limits
    FROM unfiltered.cgroup_limits
    JOIN hierarchy ON name = hierarchy
    UNION ALL
    SELECT cgroup_id, cgroup_path, NULL
    FROM unfiltered.cgroup_paths
    JOIN hierarchy ON name = 'unified'
)
SELECT id, MAX(path), MAX(io_limits), (SELECT name FROM hierarchy)
FROM named
WHERE id IS NOT NULL
GROUP BY id;
