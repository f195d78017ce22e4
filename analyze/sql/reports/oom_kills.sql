-- Processes that the kernel killed because there was no memory left, and for whom.
--
-- One row per victim. It may be another process than the one that needed memory. There is no memory left if a control group
-- has reached its limit, or if the machine has none.
-- In version 1 of control groups that is a group of the hierarchy with the controller `memory`.
--
-- needs: main.oom_kills, unfiltered.cgroup_paths, unfiltered.process_key, unfiltered.processes
CREATE VIEW report.oom_kills(
    -- When the kernel chose it.
    ts,
    -- Process id of the victim.
    pid,
    -- Its command name.
    comm,
    -- Its control group; in version 1 that of its memory.
    cgroup,
    -- Memory that it had: anonymous, file pages and shared [MiB]; NULL before Linux 6.16.
    memory_mib,
    -- Anonymous memory of this [MiB].
    anon_mib,
    -- Process id of the one that needed memory when there was none; NULL if a thread of the kernel did.
    trigger_pid,
    -- Its command name.
    trigger,
    -- Arguments of the victim's program, or its path, or its name in brackets.
    command,
    -- Start time of the victim, since boot [ns]; NULL before Linux 6.9.
    start
) AS
WITH
groups AS (
    SELECT cgroup_id, MAX(cgroup_path) AS path
    FROM unfiltered.cgroup_paths
    GROUP BY cgroup_id
)
SELECT
    o.ts,
    o.pid,
    v.comm,
    COALESCE(o.memory_group, g.path, v.cgroup),
    TRY(o.anon_bytes + o.file_bytes + o.shmem_bytes) / 1048576.0,
    o.anon_bytes / 1048576.0,
    o.trigger_pid,
    t.comm,
    v.command,
    o.start
FROM main.oom_kills AS o
LEFT JOIN unfiltered.processes AS v ON v.process_key = o.process_key
LEFT JOIN unfiltered.processes AS t ON t.process_key = unfiltered.process_key(o.trigger_pid, o.trigger_start)
LEFT JOIN groups AS g ON g.cgroup_id = o.cgroup_id
ORDER BY o.ts, o.pid, o.start;
