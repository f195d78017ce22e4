-- Programs executed: each successful execve(2) or execveat(2).
--
-- `comm` is the name after the exec. Failed attempts are not included.
--
-- needs: unfiltered.full_path, unfiltered.program_name, windowed.execs
CREATE VIEW execs(
    -- When it happened; for rows of a snapshot, when the snapshot was taken.
    ts,
    -- Process id (thread group id) in the initial pid namespace.
    pid,
    -- Process id of the parent at that moment.
    ppid,
    -- Command name at that moment, at most 15 bytes.
    comm,
    -- Path as passed to the system call; NULL if a descriptor was passed. Bytes that are not UTF-8 are written as \xNN.
    path,
    -- Arguments of the program, starting with the name it was called by. Bytes that are not UTF-8 are written as
    -- \xNN.
    argv,
    -- What `path` is relative to: 'absolute', the root of the process; 'cwd', its current directory; 'dirfd', the
    -- directory of a descriptor; 'fd', there is no path, the descriptor is the file itself; 'unresolved', unknown.
    origin,
    -- The directory that `path` is relative to, at the return, as an absolute path in its mount namespace,
    -- whatever the root of the process; with origin 'fd' the file itself. Ends in ' (deleted)' if removed. For an
    -- absolute path, the root of the process; NULL if that is the root of the namespace. NULL if unknown.
    directory,
    -- The bytes of `directory` if they are not UTF-8; NULL if the text is exact.
    directory_bytes,
    -- The bytes of `path` if they are not UTF-8; NULL if the text is exact.
    path_bytes,
    -- Whether `path` was truncated.
    path_truncated,
    -- Mount namespace of the path, as the inode of /proc/PID/ns/mnt: the same path may be another file in another
    -- namespace. NULL if unknown.
    mount_namespace,
    -- The file that runs, as an absolute path in its mount namespace, after following all symbolic links: the
    -- program, or the interpreter of a script. Ends in ' (deleted)' if removed; a file in no directory is shown as
    -- 'memfd:NAME'. NULL if unknown.
    executable,
    -- The bytes of `executable` if they are not UTF-8; NULL if the text is exact.
    executable_bytes,
    -- Device of `executable` (st_dev of stat(2); on btrfs that of the subvolume); NULL if unknown.
    device,
    -- Its inode (st_ino); NULL when `device` is.
    inode,
    -- Generation: distinguishes files that used the same inode one after another; NULL if the file system has none.
    generation,
    -- Whether `argv` was truncated.
    argv_truncated,
    -- The interpreter that runs `path`, from its first line (#!) or binfmt_misc; of several, the last. NULL if there
    -- is none.
    interpreter,
    -- Start time of the process, since boot (CLOCK_BOOTTIME) [ns]. (pid, start) identifies a process; a reused pid is
    -- another process.
    start,
    -- `start` of the parent, so that (ppid, parent_start) is one process [ns].
    parent_start,
    -- Thread id in the initial pid namespace.
    tid,
    -- Real user id in the initial user namespace.
    uid,
    -- Effective user id in the initial user namespace.
    euid,
    -- Real group id in the initial user namespace.
    gid,
    -- Effective group id in the initial user namespace.
    egid,
    -- Id of its control group at that moment, in the unified hierarchy (version 2); NULL if unknown.
    cgroup_id,
    -- Process id in its own pid namespace; differs from `pid` in a container. NULL if unknown.
    ns_pid,
    -- What identifies the process: a struct of `pid` and `start`.
    process_key,
    -- `path` from the root of its mount namespace, without `/./` and `//`, with `..` kept; NULL if unknown.
    full_path,
    -- The program: `full_path` of a script, otherwise `executable`; if its mount namespace is not the recorder's, with
    -- that in front, as 'mnt:[4026532208]:/usr/bin/make'. If these are unknown, what is known of it.
    program
) AS
SELECT
    ts, pid, ppid, comm, path, argv,
    * EXCLUDE (ts, pid, ppid, comm, path, argv),
    unfiltered.full_path(origin, path, directory) AS full_path,
    unfiltered.program_name(mount_namespace, interpreter, executable, origin, path, directory)
FROM windowed.execs;
