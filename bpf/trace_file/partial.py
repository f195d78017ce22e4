"""The hidden directory of an unfinished recording.

It is next to the destination file, `.NAME.TOKEN.partial`. A recording in parts has one for each that is kept,
`.NAME.TOKEN-NUMBER.partial`:

    rows        the Parquet file so far: row groups, no footer
    log         what it takes to finish the file: frames, see `journal.py`
    journal.0   rows that wait in memory for a row group, as Arrow IPC; the two take turns
    journal.1

An interrupted recording ends at its last commit. Every frame and every page has a checksum. Rows that a commit counts
and that are missing, as after a power failure, are in the losses of the trace. `unfinished.py` reads the directory,
`recover.py` makes a whole file of it.
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
"""The suffix while the directory is being removed: what is left of one is no recording."""

NAME = re.compile(r"\.(?P<file>.+)\.(?P<token>[0-9a-f]{8})(?:-\d{6,})?\.(?:partial|removed)", re.DOTALL)

BEGUN_S = 60.0
"""A directory without a log that is older than this [s] does not belong to a recorder that is starting."""

ROWS, LOG, JOURNALS = "rows", "log", ("journal.0", "journal.1")


def of(path: Path) -> list[list[Path]]:
    """The directories of unfinished recordings into this file: for each recording, its parts in order."""
    try:
        with Directory.hold(path.parent) as parent:
            return [[path.with_name(name) for name in parts] for parts in names_of(parent, path.name)]
    except OSError:
        return []


def names_of(parent: Directory, file: str) -> list[list[str]]:
    """Their names in the directory of the file. Raises OSError."""
    recordings: dict[str, list[str]] = {}
    for name in sorted(parent.names(), key=lambda name: (len(name), name)):
        if name.endswith(SUFFIX) and wanted(name) == file and is_partial(parent, name):
            recordings.setdefault(token(name), []).append(name)
    return list(recordings.values())


def with_parts(parent: Directory, name: str) -> list[str]:
    """All parts of the recording that this directory belongs to."""
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
    except OSError:  # removed meanwhile, or not readable
        return False


def wanted(name: str) -> str:
    """The destination file of the recording in this directory; empty if it is no such directory."""
    found = NAME.fullmatch(name)
    return found["file"] if found else ""


def wanted_in(parent: Directory) -> set[str]:
    """The destination files of the unfinished recordings in a directory. Raises OSError."""
    return {wanted(name) for name in parent.names() if is_partial(parent, name)}


def token(name: str) -> str:
    """What the names of all parts of a recording share, and no other recording's."""
    found = NAME.fullmatch(name)
    assert found
    return found["token"]


def is_numbered(name: str) -> bool:
    """Whether it belongs to a recording in parts."""
    return bool(re.search(r"-\d{6,}\.partial$", name))


def remove(parent: Directory, name: str, directory: Directory) -> None:
    """Removes a directory, which is held open, and what a recorder puts into it. Raises OSError.

    It is renamed first, so that what an interrupted removal leaves is no recording, and `sweep` recognizes it. If
    somebody has moved it meanwhile, it is only emptied. Names are used for these two alone: both are in `parent`, so
    whoever can change what they mean in between can rename it, or remove an empty directory, himself.
    """
    is_there = parent.exists(name) and os.path.samestat(parent.status(name), directory.status())
    if is_there:
        gone = name.removesuffix(SUFFIX).removesuffix(REMOVED) + REMOVED
        with contextlib.suppress(OSError):  # a disk too full for another name
            parent.rename(name, gone)
            name = gone
    for file in (ROWS, *JOURNALS, LOG):
        directory.remove(file)
    if is_there:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # moved since
            parent.remove_directory(name)


def sweep(parent: Directory, file: str) -> int:
    """Removes directories that recordings into this file left and that nobody can read. Returns how many.

    These are our directories that were being removed, or had just been created, when their recorder was killed. Where
    another user can rename them, any of our directories could have such a name: there nothing is removed.
    """
    swept = 0
    with contextlib.suppress(OSError):
        for name in parent.names() if not HAS_DESCRIPTORS or _only_we_rename(parent) else ():
            if wanted(name) == file and (name.endswith(REMOVED) or _was_never_begun(parent, name)):
                with contextlib.suppress(OSError), parent.subdirectory(name) as directory:  # not ours, or not empty
                    if directory.is_own() and not (directory.exists(LOG) and is_running(directory)):
                        remove(parent, name, directory)
                        swept += 1
    return swept


def _only_we_rename(parent: Directory) -> bool:
    """Whether no other user can rename our directories in it."""
    found = parent.status()
    return found.st_uid in (0, os.geteuid()) and bool(not found.st_mode & 0o022 or found.st_mode & stat.S_ISVTX)


def _was_never_begun(parent: Directory, name: str) -> bool:
    found = parent.status(name)
    return stat.S_ISDIR(found.st_mode) and time.time() - found.st_mtime > BEGUN_S and not _has_log(parent, name)


def readers(directory: Directory) -> list[BinaryIO]:
    """What there is in it, opened for reading: its rows, its log and both journals. Raises OSError."""
    with contextlib.ExitStack() as undo:
        found = [undo.enter_context(directory.reader(name)) for name in (ROWS, LOG, *JOURNALS)]
        undo.pop_all()
    return found


def lock(log: BinaryIO) -> None:
    """Tells `is_running` that this process writes, until it ends in whatever way. Raises OSError."""
    if fcntl:
        fcntl.flock(log, fcntl.LOCK_EX)


def is_running(directory: Directory) -> bool:
    """Whether a recorder is writing it. Raises OSError."""
    with directory.reader(LOG) as log:
        return is_locked(log)


def is_locked(log: BinaryIO) -> bool:
    """The same for its open log. Raises OSError."""
    try:
        if fcntl:
            fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(log, fcntl.LOCK_UN)
    except BlockingIOError:
        return True
    return False
