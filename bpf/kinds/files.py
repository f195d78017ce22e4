"""Files: each one opened, and each one created, renamed, removed or changed by path."""

from __future__ import annotations

from sysmon.bpf.columns import PATH
from sysmon.bpf.kind import Col, Kind, Ring
from sysmon.bpf.kinds.path_columns import IDENTITY, path_cols
from sysmon.bpf.kinds.syscalls import RETURNED
from sysmon.bpf.nulls import AT_FDCWD, NO_MODE, NO_OWNER, NO_WORD

MIB = 1024 * 1024

DIRFD = Col(
    "dirfd",
    "s32",
    "The descriptor that `path` is relative to, as passed, or the descriptor of the file if the call takes no "
    "path; NULL for the current directory.",
    null=AT_FDCWD,
)
FLAGS = Col(
    "flags",
    "u64",
    "Flags as passed, with the recorded machine's values; NULL if the call takes none.",
    null=NO_WORD,
)
MODE = Col("mode", "u32", "Permissions as passed, before the umask; NULL if the call takes none.", null=NO_MODE)

OPEN = Kind(
    "open",
    "opens",
    "A call that opens a file, when it returned: open, openat, openat2 or creat. Without calls of 32-bit programs "
    "and opens by io_uring, which are not system calls; `syscall_stats` counts io_uring_enter.",
    cols=(
        *RETURNED,
        FLAGS,
        MODE,
        DIRFD,
        *path_cols("", (128, 512, 4096), (96, 512, 4096), PATH.doc),
        *IDENTITY,
    ),
    source=Ring((16 * MIB, 4 * MIB, 1 * MIB)),  # 51,000 short ones: 0.2 s of opening as fast as one process can
)

FILE_OP = Kind(
    "file_op",
    "file_ops",
    "A call that creates, renames, removes or changes a file by path or descriptor, when it returned: unlink, "
    "rename, mkdir, rmdir, link, symlink, mknod, truncate, chmod, chown and their variants. Without calls of "
    "32-bit programs and io_uring operations. For a symbolic link `path` is its target and `path2` the link.",
    cols=(
        *RETURNED,
        FLAGS,
        MODE,
        Col("owner", "u32", "Requested user id of the file; NULL if none, or unchanged.", null=NO_OWNER),
        Col("owner_group", "u32", "Requested group id of the file; NULL if none, or unchanged.", null=NO_OWNER),
        Col("size_bytes", "u64", "Size that the file was to have; NULL if the call takes none.", "bytes", null=NO_WORD),
        DIRFD,
        *path_cols("", (128, 512, 4096), (96, 512, 4096), PATH.doc),
        Col(
            "dirfd2",
            "s32",
            "The descriptor that `path2` is relative to, as passed; NULL for the current directory.",
            null=AT_FDCWD,
        ),
        *path_cols("2", (8, 512, 4096), (8, 512, 4096), "The second path as passed; NULL if there is none."),
    ),
    source=Ring((8 * MIB, 1 * MIB, 1 * MIB)),  # 22,000 short ones: 0.2 s of removing as fast as one process can
)

KINDS = (OPEN, FILE_OP)
