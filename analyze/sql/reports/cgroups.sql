-- Control groups: what the processes of each used, and its container.
--
-- A process counts for the control group it was last seen in: at its fork, exec or exit, or at the start or end of
-- the recording. Only the unified hierarchy (version 2) is covered. Groups that were removed before the end keep
-- their names. Container and runtime are derived from the path, by the conventions of Docker, containerd, CRI-O,
-- Podman and Kubernetes.
--
-- needs: main.cpu, main.processes
CREATE VIEW report.cgroups(
    -- Path of the group; NULL if its name is unknown.
    cgroup,
    -- CPU time of its processes [s].
    cpu_s,
    -- Time that their threads waited for a CPU [s]; NULL if the kernel does not count it.
    wait_s,
    -- Processes seen in it.
    processes,
    -- Runtime of the container: 'docker', 'containerd', 'cri-o', 'podman', 'kubernetes'; NULL if it is not one.
    runtime,
    -- Id of the container; NULL if it is not one.
    container,
    -- Id of the group, its inode in the cgroup file system.
    cgroup_id
) AS
WITH
used AS (
    SELECT process_key, SUM(oncpu_ns) AS oncpu_ns, SUM(wait_ns) AS wait_ns
    FROM main.cpu
    GROUP BY process_key
),
totals AS (
    SELECT
        p.cgroup_id,
        ANY_VALUE(p.cgroup) AS path,
        SUM(u.oncpu_ns) AS oncpu_ns,
        SUM(u.wait_ns) AS wait_ns,
        COUNT(*) AS processes
    FROM main.processes AS p
    LEFT JOIN used AS u ON u.process_key = p.process_key
    WHERE p.cgroup_id IS NOT NULL
    GROUP BY p.cgroup_id
)
SELECT
    t.path,
    t.oncpu_ns / 1e9,
    t.wait_ns / 1e9,
    t.processes,
    CASE
        WHEN t.path LIKE '%libpod-%' THEN 'podman'
        WHEN t.path LIKE '%crio-%' THEN 'cri-o'
        WHEN t.path LIKE '%containerd-%' THEN 'containerd'
        WHEN t.path LIKE '%docker%' THEN 'docker'
        WHEN t.path LIKE '%kubepods%' THEN 'kubernetes'
    END,
    NULLIF(REGEXP_EXTRACT(t.path, '[0-9a-f]{64}'), ''),
    t.cgroup_id
FROM totals AS t
ORDER BY t.oncpu_ns DESC NULLS LAST, t.cgroup_id;
