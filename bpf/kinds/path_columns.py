"""Columns of a file's path and identity, which several kinds share."""

from __future__ import annotations

from sysmon.bpf.kind import Col
from sysmon.bpf.nulls import NO_LENGTH

SMALL_NAME = 64
"""Upper bound of a directory name in the smallest record, with its NUL."""

ORIGINS = ("absolute", "cwd", "dirfd", "unresolved", "fd")
"""`origin` by its number in C; the next number means that there is no path."""

_ORIGIN_DOC = (
    "What {} is relative to: 'absolute', the root of the process; 'cwd', its current directory; 'dirfd', the "
    "directory of a descriptor; 'fd', there is no path, the descriptor is the file itself; 'unresolved', unknown."
)
_DIRECTORY_DOC = (
    "The directory that {} is relative to, at the return, as an absolute path in its mount namespace, whatever "
    "the root of the process; with origin 'fd' the file itself. Ends in ' (deleted)' if removed. For an absolute path, "
    "the root of the process; NULL if that is the root of the namespace. NULL if unknown."
)
_MOUNT_NAMESPACE_DOC = (
    "Mount namespace of the {}path, as the inode of /proc/PID/ns/mnt: the same path may be another file in another "
    "namespace. NULL if unknown."
)
_BYTES_DOC = "The bytes of `{}` if they are not UTF-8; NULL if the text is exact."


def path_cols(n: str, sizes: tuple[int, ...], directory_sizes: tuple[int, ...], doc: str) -> tuple[Col, ...]:
    """Columns of a path. The C buffers of directory and path stand in this order, as the first may overrun into the
    second.
    """
    directory, path = f"directory{n}", f"path{n}"
    return (
        Col(f"origin{n}", "choice", _ORIGIN_DOC.format(f"`{path}`"), names=ORIGINS),
        Col(directory, "names", _DIRECTORY_DOC.format(f"`{path}`"), sizes=directory_sizes, null=NO_LENGTH),
        bytes_col(directory),
        Col(path, "bytes", doc, sizes=sizes, null=NO_LENGTH),
        bytes_col(path),
        Col(f"{path}_truncated", "bool", f"Whether `{path}` was truncated."),
        Col(f"mount_namespace{n}", "u32", _MOUNT_NAMESPACE_DOC.format("second " if n else ""), null=0),
    )


def bytes_col(name: str) -> Col:
    """The column with the exact bytes of a text that is not UTF-8."""
    return Col(f"{name}_bytes", "binary", _BYTES_DOC.format(name), derived=True)


MOUNT_NAMESPACE = Col("mount_namespace", "u32", _MOUNT_NAMESPACE_DOC.format(""), null=0)

IDENTITY = (
    Col(
        "device",
        "u32",
        "Device of the opened or executed file (st_dev of stat(2); on btrfs that of the subvolume); NULL if there "
        "is none, or it is unknown. In traces of version 1 the device of the superblock, in the kernel's encoding "
        "major·2^20 + minor.",
        null=0,
    ),
    Col(
        "inode", "u64", "Inode of the file (st_ino), after following all symbolic links; NULL when `device` is.", null=0
    ),
    Col(
        "generation",
        "u32",
        "Generation: distinguishes files that used the same inode one after another; NULL if the file system has none.",
        null=0,
    ),
)
"""Two rows with equal values mean the same file."""
