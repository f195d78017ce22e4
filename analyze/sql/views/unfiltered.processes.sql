-- Every process in the trace, whatever window or process is selected.
--
-- One row per (pid, start) of any row. Lost values are NULL. Pid 0, '(other)', stands for all processes that did
-- not fit into a full map.
--
-- needs: main.recording, unfiltered.cgroup_paths, unfiltered.process_facts, unfiltered.process_key
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
-- A path belongs to its process's last program only if no exec came after it.
told AS (
    SELECT *, place >= MAX(CASE WHEN is_exec THEN place END) OVER (PARTITION BY pid, start) IS NOT FALSE AS of_last
    FROM unfiltered.process_facts
),
one AS (
    SELECT
        pid,
        start,
        unfiltered.process_key(pid, start) AS process_key,
        ARG_MIN(ppid, place) AS ppid,
        ARG_MIN(parent_start, place) AS parent_start,
        ARG_MAX(uid, place) AS uid,
        ARG_MAX(comm, place) AS comm,
        ARG_MIN(path, place) FILTER (of_last) AS path,
        ARG_MIN(argv, place) FILTER (of_last) AS argv,
        ARG_MIN(argv_truncated, place) FILTER (of_last) AS argv_truncated,
        ARG_MIN(forked, place) AS forked,
        ARG_MAX(exited, place) AS exited,
        COALESCE(BOOL_OR(alive_at_start), FALSE) AS alive_at_start,
        COALESCE(BOOL_OR(alive_at_end), FALSE) AS alive_at_end,
        ARG_MIN(kernel_thread, place) AS kernel_thread,
        ARG_MAX(cgroup_id, place) AS cgroup_id,
        ARG_MIN(ns_pid, place) AS ns_pid
    FROM told
    GROUP BY pid, start
),
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
    one.exited.ts,
    one.exited.lifetime_ns,
    one.exited.exit_code,
    one.exited.signal,
    one.exited.core_dumped,
    one.alive_at_start,
    one.alive_at_end AND one.exited.ts IS NULL,
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
