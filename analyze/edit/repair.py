"""Makes one file of an interrupted recording, in place of the directory that it left.

Rows that belong to us alone are completed in place; everything else is copied.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from sysmon.analyze.trace.source import Left, inspect, inspect_file, left_of
from sysmon.analyze.trace.trace import Trace
from sysmon.analyze.trace.wellformed import misfit
from sysmon.bpf.trace_file import partial, recover, unfinished
from sysmon.bpf.trace_file.atomic import NewFile
from sysmon.bpf.trace_file.directory import HAS_DESCRIPTORS, MODE, OWN_DESCRIPTORS, Directory
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.errors import BadRequest, BrokenTrace, SysmonError
from sysmon.safe_text import one_line


class CannotRepair(SysmonError):
    """The file cannot be written at the requested place."""


def make_whole(path: Path, output: Path | None, force: bool) -> tuple[Path, dict[str, Any]]:
    """Makes the file. Returns its path and its metadata.

    Raises BadRequest if there is nothing to repair, and what `sysmon.analyze.trace.source.inspect` raises.
    """
    with left_of(path) as left:
        if not left:
            raise _nothing(path)
        file = output or path.with_name(partial.wanted(left.names[0]))
        with _telling(file), Directory.hold(file.parent) as place:
            if place.exists(file.name) and not force:
                raise _exists(file)
            with _held(left) as directories:
                recording = _repaired(left, directories, place, file.name, force)
                for name, directory in zip(left.names, directories, strict=True):
                    with contextlib.suppress(OSError):  # a read-only file system
                        partial.remove(left.parent, name, directory)
            partial.sweep(left.parent, partial.wanted(left.names[0]))
            return file, recording


def _nothing(path: Path) -> SysmonError:
    """Why there is nothing to repair."""
    shown = one_line(str(path))
    if others := partial.of(path):
        names = ", ".join(one_line(str(p)) for p, *_ in others)
        return BadRequest(f"{shown} is there; to repair another recording, name its directory: {names}")
    with contextlib.suppress(OSError), Directory.hold(path.parent) as parent:
        if partial.sweep(parent, path.name):
            return BadRequest(f"{shown}: nothing of the interrupted recording could be read; its remains are removed")
    inspect(path).discard()  # reports what is wrong with it, if anything
    return BadRequest(f"{shown} is whole: there is nothing to repair")


def _exists(file: Path) -> BadRequest:
    return BadRequest(f"{one_line(str(file))} exists: choose another name with -o, or overwrite it with --force")


@contextlib.contextmanager
def _held(left: Left) -> Iterator[list[Directory]]:
    """The parts, held open. Raises CannotRepair."""
    with contextlib.ExitStack() as stack:
        try:
            directories = stack.enter_context(left.parts())
        except OSError as error:
            raise CannotRepair(
                f"{one_line(str(left.path))}: cannot be read ({error.strerror or error}); "
                "check whether another process changes it"
            ) from None
        yield directories


@contextlib.contextmanager
def _telling(file: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise _exists(file) from None
    except OSError as error:
        raise CannotRepair(
            f"cannot write {one_line(str(file))}: {error.strerror or error}; make room, or choose another place with -o"
        ) from None


def _repaired(left: Left, directories: list[Directory], place: Directory, name: str, force: bool) -> dict[str, Any]:
    parts, recording = unfinished.read_parts(directories)
    if problem := misfit(recording, Recording):
        raise BrokenTrace(f"{one_line(str(left.path))}: its description is damaged ({one_line(problem)}); remove it")
    if partial.is_running(directories[-1]):  # it may have begun a moment ago, and not be a part yet
        shown = one_line(str(left.path))
        raise BadRequest(f"{shown} is still being recorded: end that first, with Ctrl-C")
    if len(parts) == 1 and _is_ours(directories[0]) and directories[0].status().st_dev == place.status().st_dev:
        return _completed(parts[0], directories[0], recording, place, name, force)
    return _copied(parts, directories[: len(parts)], recording, place, name, force)


def _is_ours(directory: Directory) -> bool:
    """Whether nobody else can have put anything there, so that its content may become the trace."""
    if not HAS_DESCRIPTORS:
        return True
    if not directory.exists(partial.ROWS):
        return False
    found = [directory.status(), *(directory.status(name) for name in (partial.ROWS, partial.LOG))]
    links = all(status.st_nlink == 1 for status in found if stat.S_ISREG(status.st_mode))
    return links and all(status.st_uid == os.geteuid() and not status.st_mode & 0o022 for status in found)


def _completed(
    part: unfinished.Partial,
    directory: Directory,
    recording: dict[str, Any],
    place: Directory,
    name: str,
    force: bool,
) -> dict[str, Any]:
    recording = recover.complete(part, directory, recording)
    with directory.changer(partial.ROWS) as made:
        _checked(made, part)
        if HAS_DESCRIPTORS:
            os.fchmod(made.fileno(), MODE)
    directory.publish(partial.ROWS, place, name, force)
    return recording


def _copied(
    parts: list[unfinished.Partial],
    directories: list[Directory],
    recording: dict[str, Any],
    place: Directory,
    name: str,
    force: bool,
) -> dict[str, Any]:
    with NewFile(place, name) as new:
        recording = recover.write(parts, recording, new.file)
        new.file.flush()
        _checked(new.file, parts[0])
        if (owner := _only_owner(directories)) is not None:
            with contextlib.suppress(PermissionError):
                os.fchown(new.file.fileno(), *owner)
        new.publish(force=force)
    return recording


def _checked(made: BinaryIO, part: unfinished.Partial) -> None:
    """Raises what a report would: nothing is called repaired that no command would open."""
    shown = one_line(str(part.files.path))
    inspect_file(made, shown)
    path = f"{OWN_DESCRIPTORS}/{made.fileno()}"
    if not os.path.exists(path):
        return
    try:
        Trace(path).close()
    except SysmonError as error:
        raise type(error)(f"{shown}: no trace can be made of it ({str(error).removeprefix(f'{path}: ')})") from None


def _only_owner(directories: list[Directory]) -> tuple[int, int] | None:
    """The user and group that own all of it; None if there are several. Root does not read another user's files, so
    nobody gets to read what they may not.
    """
    users = {(status.st_uid, status.st_gid) for status in (one.status() for one in directories)}
    return users.pop() if len(users) == 1 and HAS_DESCRIPTORS else None
