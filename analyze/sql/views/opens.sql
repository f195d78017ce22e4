-- Calls that open a file, when they returned.
--
-- Calls open, openat, openat2 and creat of 64-bit programs. Opens by io_uring are no system calls and are not here;
-- `syscall_stats` counts io_uring_enter.
--
-- needs: unfiltered.file_name, unfiltered.full_path, windowed.opens
CREATE VIEW opens(
    -- When it happened; for a row of a snapshot, the moment the snapshot was taken.
    ts,
    -- Process id (thread group id) in the initial pid namespace.
    pid,
    -- When the process began, since boot [ns].
    -- A process is the pair (pid, start): a pid that is used again is another process [ns].
    start,
    -- Thread id in the initial pid namespace.
    tid,
    -- Real user id in the initial user namespace.
    uid,
    -- Command name, at most 15 bytes, as the kernel holds it at that moment.
    comm,
    -- System call number, in the table of `abi`; NULL if it was in no table.
    nr,
    -- The table that the number is from: an architecture's name, such as 'x86_64' or 'i386'.
    abi,
    -- Name of the system call, looked up on the recording machine.
    syscall,
    -- What the call returned: 0 or more is a success, below 0 an error's number.
    result,
    -- Name of the error that `result` is, such as 'ENOENT'; NULL: a success.
    error,
    -- From the call's entry to its return [ns].
    latency_ns,
    -- Flags as they were passed, numbers of the recorded machine; NULL if the call takes none.
    flags,
    -- Permissions as they were passed, before the umask; NULL if the call takes none.
    mode,
    -- The descriptor that `path` starts from, as it was passed, or of the file itself where the call takes no
    -- path; NULL: the current directory.
    dirfd,
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
    -- Path as it was passed to the system call; NULL if a descriptor was. Bytes that are not UTF-8 are written as
    -- \xNN.
    path,
    -- The bytes of `path` where they are not UTF-8; NULL where the text is exactly what it was.
    path_bytes,
    -- Whether `path` was longer than what was recorded.
    path_truncated,
    -- Mount namespace that the path is in, by the inode of /proc/PID/ns/mnt: it is another file in another one. NULL
    -- if not known.
    mount_namespace,
    -- Device of the opened file, as stat(2) shows it (st_dev), the subvolume's on btrfs; NULL if there is none, or
    -- what stat shows is not known. In traces of version 1: of its superblock, as the kernel numbers it,
    -- major·2^20 + minor.
    device,
    -- Its inode (st_ino), behind all symbolic links; NULL as `device` is.
    inode,
    -- What tells it from other files that had the inode before or have it after; NULL if its file system does not say.
    generation,
    -- `path` from the root of its mount namespace, with `/./` and `//` taken out and `..` left as it is; NULL if that is not known.
    full_path,
    -- `full_path`, or `path` if that is not known; in another mount namespace than the recorder's with that before it,
    -- as 'mnt:[4026532208]:/etc/passwd'.
    name
) AS
SELECT
    *,
    unfiltered.full_path(origin, path, directory) AS full_path,
    unfiltered.file_name(mount_namespace, COALESCE(full_path, path))
FROM windowed.opens;
