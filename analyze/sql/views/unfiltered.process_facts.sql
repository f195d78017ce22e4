-- What each row says of a process.
--
-- Several rows say something of most processes: of each column of `unfiltered.processes` the first or the last of them
-- by `place` that knows it counts. Rows of counts say only that there is a process.
--
-- needs: unfiltered.callers, unfiltered.cpu, unfiltered.execs, unfiltered.exits, unfiltered.file_name, unfiltered.forks,
--    unfiltered.peers, unfiltered.process_states, unfiltered.program_name, unfiltered.renames,
--    unfiltered.syscalls_in_flight
CREATE VIEW unfiltered.process_facts(
    -- Process id (thread group id).
    pid,
    -- Start time of the process, since boot [ns].
    start,
    -- What the facts of a process are in order of, as one number: aggregates go by it in half the time that windows take.
    -- An exit comes last, as nothing follows it; then it goes by time, the unknown first; of one instant an exec comes
    -- before what it makes known.
    place,
    -- Whether it called execve.
    is_exec,
    -- Parent's process id.
    ppid,
    -- `start` of that parent [ns].
    parent_start,
    -- Real user id.
    uid,
    -- Command name.
    comm,
    -- Its program.
    path,
    -- Arguments of that program.
    argv,
    -- Whether `argv` was truncated.
    argv_truncated,
    -- When it was forked.
    forked,
    -- When it ended, and how: a struct of columns of `exits`.
    exited,
    -- Whether it was alive at the start of the recording.
    alive_at_start,
    -- Whether it was alive at the end of the recording.
    alive_at_end,
    -- Whether it is a kernel thread.
    kernel_thread,
    -- Id of the control group that it was in, in the unified hierarchy.
    cgroup_id,
    -- Process id in its own pid namespace.
    ns_pid
) AS
WITH
-- `stage` puts an exit last.
facts AS (
    SELECT pid, start, 0 AS stage, ts, FALSE AS is_exec, ppid, parent_start, uid, comm,
        unfiltered.file_name(mount_namespace, path) AS path, argv, argv_truncated,
        NULL AS forked, NULL AS exited,
        edge IN ('start', 'both') AND state IS DISTINCT FROM 'Z' AS alive_at_start,
        edge IN ('end', 'both') AND state IS DISTINCT FROM 'Z' AS alive_at_end, kernel_thread, cgroup_id, ns_pid
    FROM unfiltered.process_states
    UNION ALL
    SELECT pid, start, 0, ts, FALSE, ppid, parent_start, uid, comm, NULL, NULL, NULL,
        ts, NULL, NULL, NULL, NULL, cgroup_id, ns_pid
    FROM unfiltered.forks
    UNION ALL
    SELECT pid, start, 0, ts, TRUE, ppid, parent_start, uid, comm,
        unfiltered.program_name(mount_namespace, interpreter, executable, origin, path, directory), argv, argv_truncated,
        NULL, NULL, NULL, NULL, NULL, cgroup_id, ns_pid
    FROM unfiltered.execs
    UNION ALL
    SELECT pid, start, 1, ts, FALSE, ppid, NULL, uid, comm, NULL, NULL, NULL,
        NULL, struct_pack(ts, lifetime_ns, exit_code, signal, core_dumped), NULL, NULL, NULL, cgroup_id, NULL
    FROM unfiltered.exits
    UNION ALL
    SELECT pid, start, 0, ts, FALSE, NULL, NULL, uid, comm, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM unfiltered.renames
    WHERE tid = pid
    UNION ALL
    -- No process has pid 0: it stands for all that did not fit into a full map.
    SELECT pid, start, 0, NULL, FALSE, NULL, NULL, NULL, CASE WHEN pid = 0 THEN '(other)' END, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM (
        SELECT pid, start FROM unfiltered.cpu
        UNION SELECT pid, start FROM unfiltered.callers
        UNION SELECT pid, start FROM unfiltered.syscalls_in_flight
        UNION SELECT pid, start FROM unfiltered.peers
    )
    WHERE pid IS NOT NULL
)
SELECT
    pid,
    start,
    stage * (1::HUGEINT << 66) + 2 * COALESCE(epoch_ns(ts), -(1::HUGEINT << 63)) - CAST(is_exec AS INTEGER),
    is_exec,
    ppid,
    parent_start,
    uid,
    comm,
    path,
    argv,
    argv_truncated,
    forked,
    exited,
    alive_at_start,
    alive_at_end,
    kernel_thread,
    cgroup_id,
    ns_pid
FROM facts;
