"""Columns that say where a file is, and which file it is."""

from __future__ import annotations

from sysmon.bpf.kind import Col

SMALL_NAME = 64
"""A directory's name in the smallest record, with its NUL, is shorter than this."""

ORIGINS = ("absolute", "cwd", "dirfd", "unresolved", "fd")
"""`origin` by its number in C; the number after these says that there is no path."""

NO_LENGTH = 0xFFFFFFFF

_ORIGIN_DOC = (
    "Where {} starts: 'absolute', at the root of the process; 'cwd', in its current directory; 'dirfd', in the "
    "directory of a descriptor; 'fd', there is no path, and the descriptor is of the file itself; 'unresolved', not "
    "known."
)
_DIRECTORY_DOC = (
    "The directory that {} starts from, when the call returned, absolute in its mount namespace, whatever the root of "
    "the process; of origin 'fd' the file itself. One that was removed ends in ' (deleted)'. Of an absolute path the "
    "root of the process; NULL if that is the root of the namespace. Else NULL if it is not known."
)
_MOUNT_NAMESPACE_DOC = (
    "Mount namespace that the {}path is in, by the inode of /proc/PID/ns/mnt: it is another file in another one. NULL "
    "if not known."
)
_BYTES_DOC = "The bytes of `{}` where they are not UTF-8; NULL where the text is exactly what it was."


def path_cols(n: str, sizes: tuple[int, ...], directory_sizes: tuple[int, ...], doc: str) -> tuple[Col, ...]:
    """Columns of a path, from the C buffers directory and path: in this order, as the first may run into the second."""
    directory, path = f"directory{n}", f"path{n}"
    return (
        Col(f"origin{n}", "choice", _ORIGIN_DOC.format(f"`{path}`"), names=ORIGINS),
        Col(directory, "names", _DIRECTORY_DOC.format(f"`{path}`"), sizes=directory_sizes, null=NO_LENGTH),
        bytes_col(directory),
        Col(path, "bytes", doc, sizes=sizes, null=NO_LENGTH),
        bytes_col(path),
        Col(f"{path}_truncated", "bool", f"Whether `{path}` was longer than what was recorded."),
        Col(f"mount_namespace{n}", "u32", _MOUNT_NAMESPACE_DOC.format("second " if n else ""), null=0),
    )


def bytes_col(name: str) -> Col:
    """The bytes of a text that is not exactly them."""
    return Col(f"{name}_bytes", "binary", _BYTES_DOC.format(name), derived=True)


MOUNT_NAMESPACE = Col("mount_namespace", "u32", _MOUNT_NAMESPACE_DOC.format(""), null=0)

IDENTITY = (
    Col(
        "device",
        "u32",
        "Device of the file that was opened or executed, as stat(2) shows it (st_dev), the subvolume's on btrfs; NULL "
        "if there is none, or what stat shows is not known. In traces of version 1: of its superblock, as the kernel "
        "numbers it, major·2^20 + minor.",
        null=0,
    ),
    Col("inode", "u64", "Its inode (st_ino), behind all symbolic links; NULL as `device` is.", null=0),
    Col(
        "generation",
        "u32",
        "What tells it from other files that had the inode before or have it after; NULL if its file system does not "
        "say.",
        null=0,
    ),
)
"""The same in two rows: the same file."""
