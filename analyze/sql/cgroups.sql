-- Control groups: what the processes of each used, and the container that it is.
--
-- A process counts for the group that it was last seen in: at its fork, its exec, its end, or an end of the recording.
-- Only the unified hierarchy (version 2). Names are kept of groups that were removed before the end. Container and
-- runtime are read off the path, by the conventions of Docker, containerd, CRI-O, Podman and Kubernetes.
CREATE VIEW report.cgroups(
    -- Path of the group; NULL if its name is not known.
    cgroup,
    -- CPU time of its processes [s].
    cpu_s,
    -- Time that their threads waited for a CPU [s]; NULL if the kernel does not count it.
    wait_s,
    -- Processes seen in it.
    processes,
    -- Runtime of the container: 'docker', 'containerd', 'cri-o', 'podman', 'kubernetes'; NULL if it is none.
    runtime,
    -- Id of the container; NULL if it is none.
    container,
    -- Id of the group, its inode in the cgroup file system.
    cgroup_id
) AS
WITH
places AS (
    SELECT pid, start, ts, cgroup_id FROM unfiltered.process_states
    UNION ALL
    SELECT pid, start, ts, cgroup_id FROM unfiltered.forks
    UNION ALL
    SELECT pid, start, ts, cgroup_id FROM unfiltered.execs
    UNION ALL
    SELECT pid, start, ts, cgroup_id FROM unfiltered.exits
),
ranked AS (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY pid, start ORDER BY ts DESC, cgroup_id) AS n
    FROM places
    WHERE cgroup_id IS NOT NULL
),
used AS (
    SELECT pid, start, SUM(oncpu_ns) AS oncpu_ns, SUM(wait_ns) AS wait_ns
    FROM main.cpu
    GROUP BY pid, start
),
totals AS (
    SELECT r.cgroup_id, SUM(u.oncpu_ns) AS oncpu_ns, SUM(u.wait_ns) AS wait_ns, COUNT(*) AS processes
    FROM main.processes AS p
    JOIN ranked AS r ON r.pid = p.pid AND r.start IS NOT DISTINCT FROM p.start AND r.n = 1
    LEFT JOIN used AS u ON u.pid = p.pid AND u.start IS NOT DISTINCT FROM p.start
    GROUP BY r.cgroup_id
),
names AS (
    SELECT cgroup_id, MAX(cgroup_path) AS path
    FROM unfiltered.cgroup_paths
    GROUP BY cgroup_id
)
SELECT
    n.path,
    t.oncpu_ns / 1e9,
    t.wait_ns / 1e9,
    t.processes,
    CASE
        WHEN n.path LIKE '%libpod-%' THEN 'podman'
        WHEN n.path LIKE '%crio-%' THEN 'cri-o'
        WHEN n.path LIKE '%containerd-%' THEN 'containerd'
        WHEN n.path LIKE '%docker%' THEN 'docker'
        WHEN n.path LIKE '%kubepods%' THEN 'kubernetes'
    END,
    NULLIF(REGEXP_EXTRACT(n.path, '[0-9a-f]{64}'), ''),
    t.cgroup_id
FROM totals AS t
LEFT JOIN names AS n ON n.cgroup_id = t.cgroup_id
ORDER BY t.oncpu_ns DESC NULLS LAST, t.cgroup_id;
