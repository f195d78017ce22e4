"""Makes one file of what a recording left that was cut off, in place of the directory that it left."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

from analyze.errors import BrokenTrace
from analyze.safe_text import one_line
from analyze.source import inspect, unfinished
from analyze.wellformed import misfit
from bpf import partial
from bpf.errors import BadRequest, SysmonError
from bpf.metadata import Recording


class CannotRepair(SysmonError):
    """The file cannot be made where it was asked for."""


def make_whole(path: Path, output: Path | None, force: bool) -> tuple[Path, dict[str, Any]]:
    """Makes the file. Returns where it is and what it says of itself.

    Raises BadRequest if there is nothing to repair, and what `analyze.source.inspect` raises.
    """
    directories = unfinished(path)
    if not directories and (left := partial.of(path)):
        names = ", ".join(one_line(str(p)) for p, *_ in left)
        raise BadRequest(f"{one_line(str(path))} is there; to repair another recording, name its directory: {names}")
    if not directories:
        inspect(path)  # says what is wrong with it, if anything is
        raise BadRequest(f"{one_line(str(path))} is whole: there is nothing to repair")
    file = output or partial.wanted(directories[0])
    if os.path.lexists(file) and not force:
        raise BadRequest(f"{one_line(str(file))} exists: choose another name with -o, or overwrite it with --force")
    parts, recording = partial.read_parts(directories)
    if problem := misfit(recording, Recording):
        raise BrokenTrace(
            f"{one_line(str(directories[0]))}: its description is damaged ({one_line(problem)}); remove it"
        )
    if partial.is_running(directories[-1]):  # which may have been begun a moment before, and be no part yet
        raise BadRequest(f"{one_line(str(directories[-1]))} is still being recorded: end that first, with Ctrl-C")
    try:
        recording = _make(parts, recording, file)
        with contextlib.suppress(OSError):  # of a file system that cannot be written
            for directory in directories:
                partial.remove(directory)
    except OSError as error:
        raise CannotRepair(
            f"cannot write {one_line(str(file))}: {error.strerror or error}; make room, or choose another place with -o"
        ) from None
    return file, recording


def _make(parts: list[partial.Partial], recording: dict[str, Any], file: Path) -> dict[str, Any]:
    first = parts[0].directory
    if len(parts) == 1 and first.stat().st_dev == file.parent.stat().st_dev:
        recording = partial.complete(parts[0], recording)
        os.replace(first / partial.ROWS, file)
    else:
        recording = _copy(parts, recording, file)
    return recording


def _copy(parts: list[partial.Partial], recording: dict[str, Any], file: Path) -> dict[str, Any]:
    scratch = file.with_name(f".{file.name}.{secrets.token_hex(4)}.copy")
    owner = parts[0].directory.stat()
    try:
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            with contextlib.suppress(PermissionError):
                os.fchown(out.fileno(), owner.st_uid, owner.st_gid)
            recording = partial.write(parts, recording, out)
            out.flush()
            os.fsync(out.fileno())
        os.replace(scratch, file)
    finally:
        scratch.unlink(missing_ok=True)
    return recording
