"""Files: each one opened, and each one made, renamed, removed or changed by path."""

from __future__ import annotations

from bpf.columns import PATH
from bpf.kind import Col, Kind, Ring
from bpf.syscalls import RETURNED

MIB = 1024 * 1024

SMALL_NAME = 64
"""A directory's name in the smallest record, with its NUL, is shorter than this."""

ORIGINS = ("absolute", "cwd", "dirfd", "unresolved", "fd")
"""`origin` by its number in C; the number after these says that there is no path."""

NO_LENGTH = 0xFFFFFFFF
NO_MODE = 0xFFFFFFFF
AT_FDCWD = -100
NO_WORD = (1 << 64) - 1

_ORIGIN_DOC = (
    "Where {} starts: 'absolute', at the root of the process; 'cwd', in its current directory; 'dirfd', in the "
    "directory of a descriptor; 'fd', there is no path, and the descriptor is of the file itself; 'unresolved', not "
    "known."
)
_DIRECTORY_DOC = (
    "The directory that {} starts from, absolute, as the process sees it, when the call returned; of origin 'fd' the "
    "file itself. NULL if the path is absolute, or the directory is not known."
)
_BYTES_DOC = "The bytes of `{}` where they are not UTF-8; NULL where the text is exactly what it was."


def _path_cols(n: str, sizes: tuple[int, ...], directory_sizes: tuple[int, ...], doc: str) -> tuple[Col, ...]:
    """Columns of a path, from the C buffers directory and path: in this order, as the first may run into the second."""
    directory, path = f"directory{n}", f"path{n}"
    return (
        Col(f"origin{n}", "choice", _ORIGIN_DOC.format(f"`{path}`"), names=ORIGINS),
        Col(directory, "names", _DIRECTORY_DOC.format(f"`{path}`"), sizes=directory_sizes, null=NO_LENGTH),
        Col(f"{directory}_bytes", "binary", _BYTES_DOC.format(directory), derived=True),
        Col(path, "bytes", doc, sizes=sizes, null=NO_LENGTH),
        Col(f"{path}_bytes", "binary", _BYTES_DOC.format(path), derived=True),
        Col(f"{path}_truncated", "bool", f"Whether `{path}` was longer than what was recorded."),
    )


DIRFD = Col(
    "dirfd",
    "s32",
    "The descriptor that `path` starts from, as it was passed, or of the file itself where the call takes no path; "
    "NULL: the current directory.",
    null=AT_FDCWD,
)
FLAGS = Col(
    "flags",
    "u64",
    "Flags as they were passed, numbers of the recorded machine; NULL if the call takes none.",
    null=NO_WORD,
)
MODE = Col(
    "mode", "u32", "Permissions as they were passed, before the umask; NULL if the call takes none.", null=NO_MODE
)

OPEN = Kind(
    "open",
    "opens",
    "A call that opens a file, when it returned: open, openat, openat2 and creat. Not those of 32-bit programs, nor "
    "opens by io_uring, which are no system calls: `syscall_stats` counts io_uring_enter.",
    cols=(
        *RETURNED,
        FLAGS,
        MODE,
        DIRFD,
        *_path_cols("", (128, 512, 4096), (96, 512, 4096), PATH.doc),
        Col(
            "device",
            "u32",
            "Device of the opened file, as the kernel numbers it: major·2^20 + minor; NULL if the call failed.",
            null=0,
        ),
        Col("inode", "u64", "Inode of the opened file, behind all symbolic links.", null=0),
    ),
    source=Ring((16 * MIB, 4 * MIB, 1 * MIB)),  # 51,000 short ones: 0.2 s of a process that opens as fast as it can
)

FILE_OP = Kind(
    "file_op",
    "file_ops",
    "A call that makes, renames, removes or changes a file by its path or descriptor, when it returned: unlink, "
    "rename, mkdir, rmdir, link, symlink, mknod, truncate, chmod, chown and their variants. Not those of 32-bit "
    "programs, nor those by io_uring. The text of a symbolic link is `path`, the link `path2`.",
    cols=(
        *RETURNED,
        FLAGS,
        MODE,
        Col("owner", "u32", "User id that the file was to have; NULL: none, or as it is.", null=NO_MODE),
        Col("owner_group", "u32", "Group id that the file was to have; NULL: none, or as it is.", null=NO_MODE),
        Col("size_bytes", "u64", "Size that the file was to have; NULL if the call takes none.", "bytes", null=NO_WORD),
        DIRFD,
        *_path_cols("", (128, 512, 4096), (96, 512, 4096), PATH.doc),
        Col(
            "dirfd2",
            "s32",
            "The descriptor that `path2` starts from, as it was passed; NULL: the current directory.",
            null=AT_FDCWD,
        ),
        *_path_cols("2", (8, 512, 4096), (8, 512, 4096), "The second path as it was passed; NULL if there is none."),
    ),
    source=Ring((1 * MIB, 1 * MIB, 1 * MIB)),
)

KINDS = (OPEN, FILE_OP)
