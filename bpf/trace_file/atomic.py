"""Creates a file next to its destination and gives it its name only when it is complete.

All files are made here or in a directory of `directory.py`: readable by the owner only, never replacing another file
unasked, and never through a link. Recordings are the exception: they must outlive the process that writes them.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from sysmon.bpf.trace_file import temporary
from sysmon.bpf.trace_file.directory import Directory, other_name
from sysmon.errors import CannotWrite
from sysmon.safe_text import one_line


class NewFile:
    """A file that is written through `file`, and that leaves nothing behind without `publish`. Raises OSError."""

    def __init__(self, parent: Directory, name: str) -> None:
        self._parent, self._name = parent, name
        nameless = parent.create_nameless()
        self._hidden = "" if nameless else f".{name}.{secrets.token_hex(4)}.copy"
        raw = nameless or parent.create(self._hidden)
        self.file: BinaryIO = cast(BinaryIO, io.BufferedRandom(cast(Any, raw)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with contextlib.suppress(OSError):
            self.file.close()
        if self._hidden:
            with contextlib.suppress(OSError):
                self._parent.remove(self._hidden)

    def publish(self, *, force: bool) -> None:
        """Gives the complete file its name. Raises FileExistsError if the name is taken and `force` is not set."""
        self.file.flush()
        os.fsync(self.file.fileno())
        if not self._hidden:
            self._parent.give_name(self.file, self._name, force)
        else:
            self._parent.publish(self._hidden, self._parent, self._name, force)
            self._hidden = ""

    def publish_beside(self, *, force: bool) -> str:
        """The same, but under another name if this one is taken. Returns the name used."""
        self._name = first_free(self._publish_as, self._name, force=force)
        return self._name

    def _publish_as(self, name: str, force: bool) -> None:
        self._name = name
        self.publish(force=force)


def first_free(publish: Callable[[str, bool], None], name: str, *, force: bool) -> str:
    """Publishes under this name or, if it has been taken meanwhile, under another. Returns the name used. Raises
    OSError.
    """
    try:
        publish(name, force)
    except FileExistsError:
        name = other_name(name)
        publish(name, False)
    return name


@contextlib.contextmanager
def new_file(path: Path, *, force: bool, option: str = "") -> Iterator[BinaryIO]:
    """Context in which a new file is written. It gets its name at the end; if an exception ends the block, there is no
    file.

    `option` is the command's option for another name, for messages.

    Raises CannotWrite if the file exists and `force` is not set, or if it cannot be written there. An OSError raised in
    the block counts as an error of the file.
    """
    with _telling(path), Directory.hold(path.parent) as parent:
        check_in(parent, path, force=force, option=option)
        with NewFile(parent, path.name) as new:
            yield new.file
            new.publish(force=force)


def check(path: Path, *, force: bool, option: str = "") -> None:
    """Raises CannotWrite if the file cannot be written, before its content exists."""
    with _telling(path), Directory.hold(path.parent) as parent:
        check_in(parent, path, force=force, option=option)


def check_in(parent: Directory, path: Path, *, force: bool, option: str = "") -> None:
    """The same within the open directory of the path."""
    shown, by = _shown(path), f" with {option}" if option else ""
    with _telling(path):
        is_directory, special, present = _what_is(parent, path.name)
    if is_directory:
        raise CannotWrite(f"{shown} is a directory: name a file{by}")
    if special:
        raise CannotWrite(f"{shown} is not a regular file: it cannot be written to a device")
    if present and not force:
        raise CannotWrite(f"{shown} exists: choose another name{by}, or overwrite it with --force")


def _what_is(parent: Directory, name: str) -> tuple[bool, bool, bool]:
    """Whether the name is a directory; is something else that cannot be replaced by a file; exists."""
    if name in ("", ".."):
        return True, False, True
    present = parent.exists(name)
    special = present and parent.is_special(name)
    return special and stat.S_ISDIR(parent.status(name).st_mode), special, present


@contextlib.contextmanager
def _telling(path: Path) -> Iterator[None]:
    shown = _shown(path)
    try:
        yield
    except FileExistsError:
        raise CannotWrite(f"{shown} now exists: choose another name, or give --force") from None
    except OSError as error:
        raise CannotWrite(f"cannot write {shown}: {error.strerror or error}; name another place") from None


def _shown(path: Path) -> str:
    shown = one_line(str(path))
    if "\0" in str(path):
        raise CannotWrite(f"cannot write {shown}: file names cannot contain NUL; choose another name")
    return shown


def is_one_of(path: Path, others: Iterable[Path]) -> bool:
    """Whether the path now leads to one of these files."""
    try:
        return any(path.samefile(other) for other in others)
    except OSError:  # it does not exist
        return False


def copy_to_temporary(file: BinaryIO, name: str) -> Path:
    """Copies the whole file to the directory for temporary files, under a similar name. Raises OSError."""
    place = Path(temporary.directory())
    with Directory.hold(place) as held, NewFile(held, other_name(name)) as new:
        file.seek(0)
        shutil.copyfileobj(file, new.file)
        return place / new.publish_beside(force=False)
