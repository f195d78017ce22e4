"""A file that a command makes: it has its name only when it is complete, and takes no other's place unasked."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from analyze.errors import CannotWrite
from analyze.safe_text import one_line


@contextmanager
def new_file(path: Path, *, force: bool) -> Iterator[BinaryIO]:
    """What is written inside is the file when the `with` ends; if it ends by an error, there is no file.

    Until then it stands beside it under a hidden name. Raises CannotWrite if there is a file of this name already and
    `force` is not given, or if none can be written there.
    """
    shown = one_line(str(path))
    _check(path, shown, force)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        # 0600, as a trace: it holds command lines and file names of every user.
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except (OSError, ValueError) as error:
        raise CannotWrite(f"cannot write {shown}: {_reason(error)}; name another place") from None
    try:
        with os.fdopen(fd, "wb") as file:
            yield file
        _rename(partial, path, force)
    except FileExistsError:
        raise CannotWrite(f"{shown} has appeared meanwhile: choose another name, or give --force") from None
    except OSError as error:
        raise CannotWrite(f"cannot write {shown}: {_reason(error)}") from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(partial)


def _check(path: Path, shown: str, force: bool) -> None:
    try:
        if path.is_dir():
            raise CannotWrite(f"{shown} is a directory: name a file")
        exists = os.path.lexists(path)
        special = path.exists() and not path.is_file()
    except (OSError, ValueError) as error:
        raise CannotWrite(f"cannot write {shown}: {_reason(error)}; choose another name") from None
    if special:
        raise CannotWrite(f"{shown} is no regular file: name a file, or - for standard output")
    if exists and not force:
        raise CannotWrite(f"{shown} exists: choose another name, or overwrite it with --force")


def _rename(partial: Path, path: Path, force: bool) -> None:
    if force:
        os.replace(partial, path)
        return
    try:
        os.link(partial, path)  # unlike a rename, never over a file that came meanwhile
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.rename(partial, path)


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
