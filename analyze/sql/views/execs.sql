-- Programs executed: each successful execve(2) or execveat(2).
--
-- `comm` is the name after it. Attempts that failed are not here.
--
-- needs: unfiltered.full_path, unfiltered.program_name, windowed.execs
CREATE VIEW execs(
    -- When it happened; for a row of a snapshot, the moment the snapshot was taken.
    ts,
    -- Process id (thread group id) in the initial pid namespace.
    pid,
    -- Process id of the parent at that moment.
    ppid,
    -- Command name, at most 15 bytes, as the kernel holds it at that moment.
    comm,
    -- Path as it was passed to the system call; NULL if a descriptor was. Bytes that are not UTF-8 are written as
    -- \xNN.
    path,
    -- Arguments of the program, the first being the name it was called by. Bytes that are not UTF-8 are written as
    -- \xNN.
    argv,
    -- Where `path` starts: 'absolute', at the root of the process; 'cwd', in its current directory; 'dirfd', in
    -- the directory of a descriptor; 'fd', there is no path, and the descriptor is of the file itself;
    -- 'unresolved', not known.
    origin,
    -- The directory that `path` starts from, when the call returned, absolute in its mount namespace, whatever the
    -- root of the process; of origin 'fd' the file itself. One that was removed ends in ' (deleted)'. Of an absolute
    -- path the root of the process; NULL if that is the root of the namespace. Else NULL if it is not known.
    directory,
    -- The bytes of `directory` where they are not UTF-8; NULL where the text is exactly what it was.
    directory_bytes,
    -- The bytes of `path` where they are not UTF-8; NULL where the text is exactly what it was.
    path_bytes,
    -- Whether `path` was longer than what was recorded.
    path_truncated,
    -- Mount namespace that the path is in, by the inode of /proc/PID/ns/mnt: it is another file in another one. NULL
    -- if not known.
    mount_namespace,
    -- The file that runs, absolute in its mount namespace, behind all symbolic links: the program itself or, of a
    -- script, its interpreter. One that was removed ends in ' (deleted)'; one that is in no directory is as
    -- 'memfd:NAME'. NULL if not known.
    executable,
    -- The bytes of `executable` where they are not UTF-8; NULL where the text is exactly what it was.
    executable_bytes,
    -- Device of `executable`, as stat(2) shows it (st_dev), the subvolume's on btrfs; NULL if what stat shows is not
    -- known.
    device,
    -- Its inode (st_ino); NULL as `device` is.
    inode,
    -- What tells it from other files that had the inode before or have it after; NULL if its file system does not say.
    generation,
    -- Whether `argv` was longer than what was recorded.
    argv_truncated,
    -- What runs `path`, as its first line (#!) or binfmt_misc has it, of several the last; NULL if it runs by itself.
    interpreter,
    -- When the process began, since boot (CLOCK_BOOTTIME), rounded down to a 10 ms clock tick as /proc shows it.
    -- A process is the pair (pid, start): a pid that is used again is another process [ns].
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
    -- Id of the control group that it is in at that moment, in the unified hierarchy (version 2); NULL if not known.
    cgroup_id,
    -- Process id in its own pid namespace, as it sees itself: in a container another than `pid`. NULL if not known.
    ns_pid,
    -- `path` from the root of its mount namespace, with `/./` and `//` taken out and `..` left as it is; NULL if that is
    -- not known.
    full_path,
    -- The program: `full_path` of a script, else `executable`; in another mount namespace than the recorder's with that
    -- before it, as 'mnt:[4026532208]:/usr/bin/make'. What is known of it, where that is less.
    program
) AS
SELECT
    ts, pid, ppid, comm, path, argv,
    * EXCLUDE (ts, pid, ppid, comm, path, argv),
    unfiltered.full_path(origin, path, directory) AS full_path,
    unfiltered.program_name(mount_namespace, interpreter, executable, origin, path, directory)
FROM windowed.execs;
