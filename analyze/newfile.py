"""A file that a command makes: it has its name only when it is complete, and takes no other's place unasked."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sysmon.bpf.trace_file.atomic import NewFile
from sysmon.bpf.trace_file.directory import Directory
from sysmon.errors import CannotWrite
from sysmon.safe_text import one_line


@contextmanager
def new_file(path: Path, *, force: bool, option: str = "") -> Iterator[BinaryIO]:
    """What is written inside is the file when the `with` ends; if it ends by an error, there is no file.

    `option` is how another name is given.

    Raises CannotWrite if there is a file of this name already and `force` is not given, or if none can be written
    there. An OSError that is raised inside is taken for one of the file.
    """
    shown = _shown(path)
    try:
        with Directory.hold(path.parent) as parent:
            _check(parent, path.name, shown, force, option)
            with NewFile(parent, path.name) as new:
                yield new.file
                new.publish(force=force)
    except FileExistsError:
        raise CannotWrite(f"{shown} now exists: choose another name, or give --force") from None
    except OSError as error:
        raise CannotWrite(f"cannot write {shown}: {error.strerror or error}; name another place") from None


def is_one_of(path: Path, others: Iterable[Path]) -> bool:
    """Whether the path leads to one of these files now."""
    try:
        return any(path.samefile(other) for other in others)
    except OSError:  # there is nothing there
        return False


def check(path: Path, *, force: bool, option: str = "") -> None:
    """Raises CannotWrite if the file cannot be written, before it is known what is to be in it."""
    shown = _shown(path)
    try:
        with Directory.hold(path.parent) as parent:
            _check(parent, path.name, shown, force, option)
    except OSError as error:
        raise CannotWrite(f"cannot write {shown}: {error.strerror or error}; name another place") from None


def _shown(path: Path) -> str:
    shown = one_line(str(path))
    if "\0" in str(path):
        raise CannotWrite(f"cannot write {shown}: file names cannot contain NUL; choose another name")
    return shown


def _check(parent: Directory, name: str, shown: str, force: bool, option: str) -> None:
    by = f" with {option}" if option else ""
    is_directory = name in ("", "..")
    present = not is_directory and parent.exists(name)
    special = present and parent.is_special(name)
    if is_directory or (special and stat.S_ISDIR(parent.status(name).st_mode)):
        raise CannotWrite(f"{shown} is a directory: name a file{by}")
    if special:
        raise CannotWrite(f"{shown} is not a regular file: it cannot be written to a device")
    if present and not force:
        raise CannotWrite(f"{shown} exists: choose another name{by}, or overwrite it with --force")
