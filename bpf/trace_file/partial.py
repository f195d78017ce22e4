"""A trace that is not complete: where the recorder keeps it on disk.

That is a directory beside the file that it will be, `.NAME.TOKEN.partial`, or several that are one recording's parts,
`.NAME.TOKEN-NUMBER.partial`, of which the oldest were removed:

    rows        the Parquet file as far as it is written: row groups, no footer
    log         what it takes to finish it: frames, as `journal.py` has them
    journal.0   rows that wait in memory for a row group, as Arrow IPC; one of the two at a time is in use
    journal.1

A trace that was cut off is one that ended at its last commit. Every frame and every page has a checksum. If rows are
missing that a commit speaks of, as after a loss of power, they are counted in the losses of the trace.
`unfinished.py` reads all that, `recover.py` makes a whole file of it.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from pathlib import Path
from typing import BinaryIO

from sysmon.bpf.trace_file.directory import HAS_DESCRIPTORS, Directory

try:
    import fcntl
except ImportError:  # Windows, where nothing is recorded
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".partial"

REMOVED = ".removed"
"""In its place while the directory is being removed: what is left of that is nobody's recording."""

NAME = re.compile(r"\.(?P<file>.+)\.(?P<token>[0-9a-f]{8})(?:-\d{6,})?\.(?:partial|removed)", re.DOTALL)

BEGUN_S = 60.0
"""A directory without a log that is older than this is not of a recorder that is just beginning."""

ROWS, LOG, JOURNALS = "rows", "log", ("journal.0", "journal.1")


def of(path: Path) -> list[list[Path]]:
    """The directories of recordings into this file that did not come to their end, each with its parts in order."""
    try:
        with Directory.hold(path.parent) as parent:
            return [[path.with_name(name) for name in parts] for parts in names_of(parent, path.name)]
    except OSError:
        return []


def names_of(parent: Directory, file: str) -> list[list[str]]:
    """The same as names in the directory of the file. Raises OSError."""
    recordings: dict[str, list[str]] = {}
    for name in sorted(parent.names(), key=lambda name: (len(name), name)):
        if name.endswith(SUFFIX) and wanted(name) == file and is_partial(parent, name):
            recordings.setdefault(token(name), []).append(name)
    return list(recordings.values())


def with_parts(parent: Directory, name: str) -> list[str]:
    """All parts of the recording of which this directory is one."""
    return next(parts for parts in names_of(parent, wanted(name)) if name in parts)


def is_partial(parent: Directory, name: str) -> bool:
    """Whether this is the directory of an unfinished recording."""
    return bool(name.endswith(SUFFIX) and NAME.fullmatch(name)) and _has_log(parent, name)


def _has_log(parent: Directory, name: str) -> bool:
    try:
        if not stat.S_ISDIR(parent.status(name).st_mode):
            return False
        with parent.subdirectory(name) as directory:
            return directory.exists(LOG)
    except OSError:  # removed meanwhile, or not ours to read
        return False


def wanted(name: str) -> str:
    """The file that the recording with this directory was to make; empty if it is no such directory."""
    found = NAME.fullmatch(name)
    return found["file"] if found else ""


def wanted_in(parent: Directory) -> set[str]:
    """The files that unfinished recordings in a directory were to make. Raises OSError."""
    return {wanted(name) for name in parent.names() if is_partial(parent, name)}


def token(name: str) -> str:
    """What is the same in the names of all parts of a recording, and in no other's."""
    found = NAME.fullmatch(name)
    assert found
    return found["token"]


def is_numbered(name: str) -> bool:
    """Whether it is of a recording that has several parts."""
    return bool(re.search(r"-\d{6,}\.partial$", name))


def remove(parent: Directory, name: str, directory: Directory) -> None:
    """Removes a directory, which is held, and what a recorder puts into it. Raises OSError.

    It has another name first: what is left if we do not come to the end is no recording, and `sweep` knows it. If
    somebody has moved it meanwhile, it is only emptied. Names are used for these two alone: both are in `parent`, so
    whoever can change what they mean in between can rename it, or remove an empty directory, himself.
    """
    is_there = parent.exists(name) and os.path.samestat(parent.status(name), directory.status())
    if is_there:
        gone = name.removesuffix(SUFFIX).removesuffix(REMOVED) + REMOVED
        with contextlib.suppress(OSError):  # a disk so full that it takes no other name
            parent.rename(name, gone)
            name = gone
    for file in (ROWS, *JOURNALS, LOG):
        directory.remove(file)
    if is_there:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # moved since
            parent.remove_directory(name)


def sweep(parent: Directory, file: str) -> int:
    """Removes what is left of recordings into this file of which nothing can be read. Returns how many there were.

    These are directories of ours that were being removed, or had only just been made, when their recorder was killed.
    Where another can rename them, any directory of ours could have such a name: there nothing is swept.
    """
    swept = 0
    with contextlib.suppress(OSError):
        for name in parent.names() if not HAS_DESCRIPTORS or _only_we_rename(parent) else ():
            if wanted(name) == file and (name.endswith(REMOVED) or _was_never_begun(parent, name)):
                with contextlib.suppress(OSError), parent.subdirectory(name) as directory:  # another's, or not empty
                    if directory.is_own() and not (directory.exists(LOG) and is_running(directory)):
                        remove(parent, name, directory)
                        swept += 1
    return swept


def _only_we_rename(parent: Directory) -> bool:
    """Whether nobody else can give another name to a directory of ours in it."""
    found = parent.status()
    return found.st_uid in (0, os.geteuid()) and bool(not found.st_mode & 0o022 or found.st_mode & stat.S_ISVTX)


def _was_never_begun(parent: Directory, name: str) -> bool:
    found = parent.status(name)
    return stat.S_ISDIR(found.st_mode) and time.time() - found.st_mtime > BEGUN_S and not _has_log(parent, name)


def lock(log: BinaryIO) -> None:
    """Says to `is_running` that somebody writes, until the process ends, however it does. Raises OSError."""
    if fcntl:
        fcntl.flock(log, fcntl.LOCK_EX)


def is_running(directory: Directory) -> bool:
    """Whether a recorder writes it. Raises OSError."""
    with directory.reader(LOG) as log:
        return is_locked(log)


def is_locked(log: BinaryIO) -> bool:
    """The same of its log, which is open. Raises OSError."""
    try:
        if fcntl:
            fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(log, fcntl.LOCK_UN)
    except BlockingIOError:
        return True
    return False
