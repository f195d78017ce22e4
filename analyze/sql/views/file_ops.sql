-- Calls that create, rename, remove or change a file by path or descriptor, when they returned.
--
-- Calls of unlink, rename, mkdir, rmdir, link, symlink, mknod, truncate, chmod, chown and their variants by 64-bit
-- programs. io_uring operations are not system calls and not included. For a symbolic link `path` is its target and
-- `path2` the link.
--
-- needs: unfiltered.file_name, unfiltered.full_path, windowed.file_ops
CREATE VIEW file_ops(
    -- When it happened; for rows of a snapshot, when the snapshot was taken.
    ts,
    -- Process id (thread group id) in the initial pid namespace.
    pid,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process; a reused pid is another process.
    start,
    -- Thread id in the initial pid namespace.
    tid,
    -- Real user id in the initial user namespace.
    uid,
    -- Command name at that moment, at most 15 bytes.
    comm,
    -- System call number, in the table of `abi`; NULL if it was in no table.
    nr,
    -- System call table of the number, named by architecture, such as 'x86_64' or 'i386'.
    abi,
    -- Name of the system call, looked up on the recording machine.
    syscall,
    -- Return value: 0 or more is success, below 0 a negative error number.
    result,
    -- Name of the error in `result`, such as 'ENOENT'; NULL on success.
    error,
    -- From the call's entry to its return [ns].
    latency_ns,
    -- Flags as passed, with the recorded machine's values; NULL if the call takes none.
    flags,
    -- Permissions as passed, before the umask; NULL if the call takes none.
    mode,
    -- Requested user id of the file; NULL if none, or unchanged.
    owner,
    -- Requested group id of the file; NULL if none, or unchanged.
    owner_group,
    -- Requested size of the file; NULL if the call takes none [bytes].
    size_bytes,
    -- The descriptor that `path` is relative to, as passed, or the descriptor of the file if the call takes no path;
    -- NULL for the current directory.
    dirfd,
    -- What `path` is relative to: 'absolute', the root of the process; 'cwd', its current directory; 'dirfd', the
    -- directory of a descriptor; 'fd', there is no path, the descriptor is the file itself; 'unresolved', unknown.
    origin,
    -- The directory that `path` is relative to, at the return, as an absolute path in its mount namespace,
    -- whatever the root of the process; with origin 'fd' the file itself. Ends in ' (deleted)' if removed. For an
    -- absolute path, the root of the process; NULL if that is the root of the namespace. NULL if unknown.
    directory,
    -- The bytes of `directory` if they are not UTF-8; NULL if the text is exact.
    directory_bytes,
    -- Path as passed to the system call; NULL if a descriptor was passed. Bytes that are not UTF-8 are written as \xNN.
    path,
    -- The bytes of `path` if they are not UTF-8; NULL if the text is exact.
    path_bytes,
    -- Whether `path` was truncated.
    path_truncated,
    -- Mount namespace of the path, as the inode of /proc/PID/ns/mnt: the same path may be another file in another
    -- namespace. NULL if unknown.
    mount_namespace,
    -- The descriptor that `path2` is relative to, as passed; NULL for the current directory.
    dirfd2,
    -- What `path2` is relative to: 'absolute', the root of the process; 'cwd', its current directory; 'dirfd', the
    -- directory of a descriptor; 'fd', there is no path, the descriptor is the file itself; 'unresolved', unknown.
    origin2,
    -- The directory that `path2` is relative to, at the return, as an absolute path in its mount namespace,
    -- whatever the root of the process; with origin 'fd' the file itself. Ends in ' (deleted)' if removed. For an
    -- absolute path, the root of the process; NULL if that is the root of the namespace. NULL if unknown.
    directory2,
    -- The bytes of `directory2` if they are not UTF-8; NULL if the text is exact.
    directory2_bytes,
    -- The second path as passed; NULL if there is none.
    path2,
    -- The bytes of `path2` if they are not UTF-8; NULL if the text is exact.
    path2_bytes,
    -- Whether `path2` was truncated.
    path2_truncated,
    -- Mount namespace of the second path, as the inode of /proc/PID/ns/mnt: the same path may be another file in
    -- another namespace. NULL if unknown.
    mount_namespace2,
    -- What identifies the process: a struct of `pid` and `start`.
    process_key,
    -- `path` from the root of its mount namespace, without `/./` and `//`, with `..` kept; NULL if unknown.
    full_path,
    -- `path2` from the root of its mount namespace, without `/./` and `//`, with `..` kept; NULL if unknown.
    full_path2,
    -- `full_path`, or `path` if that is unknown, as it always is for a symbolic link's text; if the mount namespace is
    -- not the recorder's, with that in front, as 'mnt:[4026532208]:/etc/passwd'.
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
