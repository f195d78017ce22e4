"""Makes one file of what a recording left that was cut off, in place of the directory that it left."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

from analyze.safe_text import one_line
from analyze.source import inspect, unfinished
from bpf import partial
from bpf.errors import BadRequest, SysmonError


class CannotRepair(SysmonError):
    """The file cannot be made where it was asked for."""


def make_whole(path: Path, output: Path | None, force: bool) -> tuple[Path, dict[str, Any]]:
    """Makes the file. Returns where it is and what it says of itself.

    Raises BadRequest if there is nothing to repair, and what `analyze.source.inspect` raises.
    """
    directory = unfinished(path)
    if directory is None and (left := partial.of(path)):
        names = ", ".join(one_line(str(p)) for p in left)
        raise BadRequest(f"{one_line(str(path))} is there; to repair another recording, name its directory: {names}")
    if directory is None:
        inspect(path)  # says what is wrong with it, if anything is
        raise BadRequest(f"{one_line(str(path))} is whole: there is nothing to repair")
    file = output or partial.wanted(directory)
    if os.path.lexists(file) and not force:
        raise BadRequest(f"{one_line(str(file))} exists: choose another name with -o, or overwrite it with --force")
    part = partial.read(directory)
    if part.running:
        raise BadRequest(f"{one_line(str(directory))} is still being recorded: end the recording first, with Ctrl-C")
    try:
        recording = _make(part, file)
    except OSError as error:
        raise CannotRepair(
            f"cannot write {one_line(str(file))}: {error.strerror or error}; make room, or choose another place with -o"
        ) from None
    return file, recording


def _make(part: partial.Partial, file: Path) -> dict[str, Any]:
    if part.directory.stat().st_dev == file.parent.stat().st_dev:
        recording = partial.complete(part)
        os.replace(part.directory / partial.ROWS, file)
    else:
        recording = _copy(part, file)
    with contextlib.suppress(OSError):  # of a file system that cannot be written
        partial.remove(part.directory)
    return recording


def _copy(part: partial.Partial, file: Path) -> dict[str, Any]:
    scratch = file.with_name(f".{file.name}.{secrets.token_hex(4)}.copy")
    owner = part.directory.stat()
    try:
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            with contextlib.suppress(PermissionError):
                os.fchown(out.fileno(), owner.st_uid, owner.st_gid)
            recording = partial.write([part], part.recording, out)
            out.flush()
            os.fsync(out.fileno())
        os.replace(scratch, file)
    finally:
        scratch.unlink(missing_ok=True)
    return recording
