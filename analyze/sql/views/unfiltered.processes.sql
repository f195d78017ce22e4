-- Every process in the trace, whatever window or process is selected.
--
-- One row per (pid, start) of any row. Lost values are NULL. Pid 0, '(other)', stands for all processes that did
-- not fit into a full map.
--
-- needs: main.recording, unfiltered.callers, unfiltered.cgroup_paths, unfiltered.cpu, unfiltered.execs,
--    unfiltered.exits, unfiltered.file_name, unfiltered.forks, unfiltered.peers, unfiltered.process_key,
--    unfiltered.process_states,
--    unfiltered.program_name, unfiltered.renames, unfiltered.syscalls_in_flight
-- kept: recording
CREATE VIEW unfiltered.processes(
    -- Process id (thread group id).
    pid,
    -- Start time of the process, since boot [ns].
    start,
    -- Parent's process id: the process that forked it or, if older than the recording, its parent when first seen.
    ppid,
    -- `start` of that parent [ns]; without a recorded fork, that of the youngest process with its pid that is not
    -- younger than the child.
    parent_start,
    -- Last known command name of that parent.
    parent_comm,
    -- Last known real user id.
    uid,
    -- Last known command name.
    comm,
    -- Its last program, as `program` of the view `execs`; for a script that was already running when the recording
    -- began, its interpreter; NULL if it never called execve.
    path,
    -- Arguments of that program.
    argv,
    -- Whether `argv` was truncated.
    argv_truncated,
    -- Arguments of its last program, or its path, or its name in brackets; ends in ' ...' if cut.
    command,
    -- When it began: exact if its fork was recorded, otherwise `start` as wall clock time.
    started,
    -- When it ended; NULL if it was alive at the end of the recording, or its end was not recorded.
    ended,
    -- From its start to its end [ns]; NULL if `ended` is.
    lifetime_ns,
    -- Exit code, 0 to 255; NULL if a signal ended it.
    exit_code,
    -- Signal that ended it; NULL if it exited normally.
    signal,
    -- Whether a core was dumped.
    core_dumped,
    -- Whether it was alive at the start of the recording.
    alive_at_start,
    -- Whether it was alive at the end of the recording.
    alive_at_end,
    -- Whether it is a kernel thread; NULL if it was alive neither at the start nor at the end.
    kernel_thread,
    -- Whether it is the recorder itself.
    is_recorder,
    -- Id of the control group that it was last seen in, in the unified hierarchy.
    cgroup_id,
    -- Path of that group; NULL if its name is unknown.
    cgroup,
    -- Process id in its own pid namespace; differs from `pid` in a container.
    ns_pid,
    -- What identifies the process: a struct of `pid` and `start`.
    process_key,
    -- `process_key` of that parent; NULL if `parent_start` is.
    parent_key
) AS
WITH
-- Everything known of a process. `stage` puts an exit last: nothing follows it.
facts AS (
    SELECT pid, start, 0 AS stage, ts, 0 AS is_exec, ppid, parent_start, uid, comm,
        unfiltered.file_name(mount_namespace, path) AS path, argv, argv_truncated,
        NULL AS forked, NULL AS ended, NULL AS lifetime_ns, NULL AS exit_code, NULL AS signal, NULL AS core_dumped,
        edge IN ('start', 'both') AND state IS DISTINCT FROM 'Z' AS alive_at_start,
        edge IN ('end', 'both') AND state IS DISTINCT FROM 'Z' AS alive_at_end, kernel_thread, cgroup_id, ns_pid
    FROM unfiltered.process_states
    UNION ALL
    SELECT pid, start, 0, ts, 0, ppid, parent_start, uid, comm, NULL, NULL, NULL,
        ts, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, cgroup_id, ns_pid
    FROM unfiltered.forks
    UNION ALL
    SELECT pid, start, 0, ts, 1, ppid, parent_start, uid, comm,
        unfiltered.program_name(mount_namespace, interpreter, executable, origin, path, directory), argv, argv_truncated,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, cgroup_id, ns_pid
    FROM unfiltered.execs
    UNION ALL
    SELECT pid, start, 1, ts, 0, ppid, NULL, uid, comm, NULL, NULL, NULL,
        NULL, ts, lifetime_ns, exit_code, signal, core_dumped, NULL, NULL, NULL, cgroup_id, NULL
    FROM unfiltered.exits
    UNION ALL
    SELECT pid, start, 0, ts, 0, NULL, NULL, uid, comm, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM unfiltered.renames
    WHERE tid = pid
    UNION ALL
    -- No process has pid 0: it stands for all that did not fit into a full map.
    SELECT pid, start, 0, NULL, 0, NULL, NULL, NULL, CASE WHEN pid = 0 THEN '(other)' END, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM (
        SELECT pid, start FROM unfiltered.cpu
        UNION SELECT pid, start FROM unfiltered.callers
        UNION SELECT pid, start FROM unfiltered.syscalls_in_flight
        UNION SELECT pid, start FROM unfiltered.peers
    )
    WHERE pid IS NOT NULL
),
-- Only the first and last values are needed. For a process with very many rows, as a malicious trace may have,
-- searching the middle for each row would take too long.
ends AS (
    SELECT *
    FROM facts
    QUALIFY ROW_NUMBER() OVER (PARTITION BY pid, start ORDER BY stage, ts NULLS FIRST, is_exec DESC) <= 1000
        OR ROW_NUMBER() OVER (PARTITION BY pid, start ORDER BY stage DESC, ts DESC NULLS LAST, is_exec) <= 1000
),
-- A path belongs to its process's last program only if no exec came after it.
placed AS (
    SELECT *, COALESCE(SUM(is_exec) OVER (
        PARTITION BY pid, start
        ORDER BY stage DESC, ts DESC NULLS LAST, is_exec
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), 0) AS later_execs
    FROM ends
),
told AS (
    SELECT
        pid,
        start,
        unfiltered.process_key(pid, start) AS process_key,
        FIRST_VALUE(ppid IGNORE NULLS) OVER history AS ppid,
        FIRST_VALUE(parent_start IGNORE NULLS) OVER history AS parent_start,
        LAST_VALUE(uid IGNORE NULLS) OVER history AS uid,
        LAST_VALUE(comm IGNORE NULLS) OVER history AS comm,
        FIRST_VALUE(CASE WHEN later_execs = 0 THEN path END IGNORE NULLS) OVER history AS path,
        FIRST_VALUE(CASE WHEN later_execs = 0 THEN argv END IGNORE NULLS) OVER history AS argv,
        FIRST_VALUE(CASE WHEN later_execs = 0 THEN argv_truncated END IGNORE NULLS) OVER history AS argv_truncated,
        FIRST_VALUE(forked IGNORE NULLS) OVER history AS forked,
        LAST_VALUE(ended) OVER history AS ended,
        LAST_VALUE(lifetime_ns) OVER history AS lifetime_ns,
        LAST_VALUE(exit_code) OVER history AS exit_code,
        LAST_VALUE(signal) OVER history AS signal,
        LAST_VALUE(core_dumped) OVER history AS core_dumped,
        COALESCE(BOOL_OR(alive_at_start) OVER history, FALSE) AS alive_at_start,
        COALESCE(BOOL_OR(alive_at_end) OVER history, FALSE) AND LAST_VALUE(ended) OVER history IS NULL AS alive_at_end,
        FIRST_VALUE(kernel_thread IGNORE NULLS) OVER history AS kernel_thread,
        LAST_VALUE(cgroup_id IGNORE NULLS) OVER history AS cgroup_id,
        FIRST_VALUE(ns_pid IGNORE NULLS) OVER history AS ns_pid,
        ROW_NUMBER() OVER (PARTITION BY pid, start ORDER BY stage, ts NULLS FIRST, is_exec DESC) AS n
    FROM placed
    WINDOW history AS (
        PARTITION BY pid, start
        ORDER BY stage, ts NULLS FIRST, is_exec DESC
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
),
one AS (SELECT * FROM told WHERE n = 1),
-- Each process as a possible parent (which) and as a child that needs one, in order of start.
by_pid AS (
    SELECT pid AS which, start, start AS parent, NULL AS child FROM one
    UNION ALL
    SELECT ppid, start, NULL, process_key
    FROM one
    WHERE parent_start IS NULL AND start IS NOT NULL AND ppid > 0 AND ppid <> pid
),
groups AS (
    SELECT cgroup_id, MAX(cgroup_path) AS path
    FROM unfiltered.cgroup_paths
    GROUP BY cgroup_id
),
guessed AS (
    SELECT child, MAX(parent) OVER (PARTITION BY which ORDER BY start) AS parent_start
    FROM by_pid
),
parented AS (
    SELECT
        one.* REPLACE (COALESCE(one.parent_start, guessed.parent_start) AS parent_start),
        CASE WHEN COALESCE(one.parent_start, guessed.parent_start) IS NOT NULL
            THEN unfiltered.process_key(one.ppid, COALESCE(one.parent_start, guessed.parent_start)) END AS parent_key
    FROM one
    LEFT JOIN guessed ON guessed.child = one.process_key
)
SELECT
    one.pid,
    one.start,
    one.ppid,
    one.parent_start,
    parent.comm,
    one.uid,
    one.comm,
    one.path,
    one.argv,
    one.argv_truncated,
    COALESCE(
        NULLIF(ARRAY_TO_STRING(one.argv, ' '), '') || CASE WHEN one.argv_truncated THEN ' ...' ELSE '' END,
        one.path,
        CASE WHEN one.pid > 0 THEN '[' || one.comm || ']' END
    ),
    -- TRY: an impossible start is damage, and must not break the whole answer.
    COALESCE(one.forked, TRY(CASE WHEN one.pid > 0 THEN CAST(make_timestamp_ns(CAST(recording.clock_offset_ns + one.start AS BIGINT)) AS TIMESTAMPTZ_NS) END)),
    one.ended,
    one.lifetime_ns,
    one.exit_code,
    one.signal,
    one.core_dumped,
    one.alive_at_start,
    one.alive_at_end,
    one.kernel_thread,
    one.pid = recording.recorder_pid AND one.start IS NOT DISTINCT FROM recording.recorder_start,
    one.cgroup_id,
    groups.path,
    one.ns_pid,
    one.process_key,
    one.parent_key
FROM parented AS one
CROSS JOIN main.recording AS recording
LEFT JOIN groups ON groups.cgroup_id = one.cgroup_id
LEFT JOIN one AS parent ON parent.process_key = one.parent_key;
