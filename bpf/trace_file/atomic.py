"""A file that is made beside what is there: it has its name only when it is complete.

A recording is no such file: what may vanish when its maker is killed, and can be made again, is.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
from typing import Any, BinaryIO, Self, cast

from sysmon.bpf.trace_file.directory import Directory, other_name


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
        with contextlib.suppress(FileExistsError):
            self.publish(force=force)
            return self._name
        self._name = other_name(self._name)
        self.publish(force=False)
        return self._name
