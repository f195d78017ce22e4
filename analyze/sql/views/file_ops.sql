-- Calls that make, rename, remove or change a file by its path or descriptor, when they returned.
--
-- Calls unlink, rename, mkdir, rmdir, link, symlink, mknod, truncate, chmod, chown and their variants, of 64-bit
-- programs. What io_uring does is no system call and is not here. The text of a symbolic link is `path`, the link
-- `path2`.
--
-- needs: unfiltered.file_name, unfiltered.full_path, windowed.file_ops
CREATE VIEW file_ops(
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
    -- User id that the file was to have; NULL: none, or as it is.
    owner,
    -- Group id that the file was to have; NULL: none, or as it is.
    owner_group,
    -- Size that the file was to have; NULL if the call takes none [bytes].
    size_bytes,
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
    -- The descriptor that `path2` starts from, as it was passed; NULL: the current directory.
    dirfd2,
    -- Where `path2` starts: 'absolute', at the root of the process; 'cwd', in its current directory; 'dirfd', in
    -- the directory of a descriptor; 'fd', there is no path, and the descriptor is of the file itself;
    -- 'unresolved', not known.
    origin2,
    -- The directory that `path2` starts from, when the call returned, absolute in its mount namespace, whatever the
    -- root of the process; of origin 'fd' the file itself. One that was removed ends in ' (deleted)'. Of an absolute
    -- path the root of the process; NULL if that is the root of the namespace. Else NULL if it is not known.
    directory2,
    -- The bytes of `directory2` where they are not UTF-8; NULL where the text is exactly what it was.
    directory2_bytes,
    -- The second path as it was passed; NULL if there is none.
    path2,
    -- The bytes of `path2` where they are not UTF-8; NULL where the text is exactly what it was.
    path2_bytes,
    -- Whether `path2` was longer than what was recorded.
    path2_truncated,
    -- Mount namespace that the second path is in, by the inode of /proc/PID/ns/mnt: it is another file in another
    -- one. NULL if not known.
    mount_namespace2,
    -- `path` from the root of its mount namespace, with `/./` and `//` taken out and `..` left as it is; NULL if that is not known.
    full_path,
    -- `path2` from the root of its mount namespace, with `/./` and `//` taken out and `..` left as it is; NULL if that is not known.
    full_path2,
    -- `full_path`, or `path` if that is not known, which the text of a symbolic link always is; in another mount
    -- namespace than the recorder's with that before it, as 'mnt:[4026532208]:/etc/passwd'.
    name,
    -- The same of `path2`.
    name2
) AS
SELECT
    *,
    unfiltered.full_path(origin, path, directory) AS full_path,
    unfiltered.full_path(origin2, path2, directory2) AS full_path2,
    CASE WHEN syscall LIKE 'symlink%' THEN path ELSE unfiltered.file_name(mount_namespace, COALESCE(full_path, path)) END,
    unfiltered.file_name(mount_namespace2, COALESCE(full_path2, path2))
FROM windowed.file_ops;
