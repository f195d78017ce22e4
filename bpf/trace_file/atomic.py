"""A file that is made beside what is there: it has its name only when it is complete.

Whoever makes a file does it here, or in a directory of `directory.py`: it is for its owner only, takes no other's place
unasked, and no link is followed. A recording is made otherwise: it must outlive its maker.
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
    """Written through `file`. Without `publish` nothing is left of it. Raises OSError."""

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
        """It is complete. Raises FileExistsError if the name is taken, unless it is to be taken over."""
        self.file.flush()
        os.fsync(self.file.fileno())
        if not self._hidden:
            self._parent.give_name(self.file, self._name, force)
        else:
            self._parent.publish(self._hidden, self._parent, self._name, force)
            self._hidden = ""

    def publish_beside(self, *, force: bool) -> str:
        """The same, but under another name if this one is taken. Returns the name."""
        self._name = first_free(self._publish_as, self._name, force=force)
        return self._name

    def _publish_as(self, name: str, force: bool) -> None:
        self._name = name
        self.publish(force=force)


def first_free(publish: Callable[[str, bool], None], name: str, *, force: bool) -> str:
    """Publishes under this name or, if that has been taken meanwhile, another. Returns which. Raises OSError."""
    try:
        publish(name, force)
    except FileExistsError:
        name = other_name(name)
        publish(name, False)
    return name


@contextlib.contextmanager
def new_file(path: Path, *, force: bool, option: str = "") -> Iterator[BinaryIO]:
    """What is written inside is the file when the `with` ends; if it ends by an error, there is no file.

    `option` is how another name is given.

    Raises CannotWrite if there is a file of this name already and `force` is not given, or if none can be written
    there. An OSError that is raised inside is taken for one of the file.
    """
    with _telling(path), Directory.hold(path.parent) as parent:
        check_in(parent, path, force=force, option=option)
        with NewFile(parent, path.name) as new:
            yield new.file
            new.publish(force=force)


def check(path: Path, *, force: bool, option: str = "") -> None:
    """Raises CannotWrite if the file cannot be written, before it is known what is to be in it."""
    with _telling(path), Directory.hold(path.parent) as parent:
        check_in(parent, path, force=force, option=option)


def check_in(parent: Directory, path: Path, *, force: bool, option: str = "") -> None:
    """The same in the directory of the path, which is held."""
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
    """Whether what has the name is a directory, is something else that no file may take the place of, is there."""
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
    """Whether the path leads to one of these files now."""
    try:
        return any(path.samefile(other) for other in others)
    except OSError:  # there is nothing there
        return False


def copy_to_temporary(file: BinaryIO, name: str) -> Path:
    """Keeps all that is in the file where temporary files go, under a name like this one. Raises OSError."""
    place = Path(temporary.directory())
    with Directory.hold(place) as held, NewFile(held, other_name(name)) as new:
        file.seek(0)
        shutil.copyfileobj(file, new.file)
        return place / new.publish_beside(force=False)
