"""The last lines that a recorder said: it must not write over a screen."""

from __future__ import annotations

import os
import sys

KEPT_BYTES = 16 << 10
"""A command that is recorded may say any amount."""


class Tail:
    """What comes through a pipe: the end of it is kept or, from `pass_on` on, shown as it comes."""

    def __init__(self, readable: int) -> None:
        os.set_blocking(readable, False)
        self.fd = readable
        self._kept = b""
        self._passes = False

    def read(self) -> bool:
        """Takes what has come; whether more may come."""
        try:
            data = os.read(self.fd, KEPT_BYTES)
        except BlockingIOError:
            return True
        if self._passes:
            _show(data)
        else:
            self._kept = (self._kept + data)[-KEPT_BYTES:]
        return bool(data)

    def pass_on(self) -> None:
        """Shows what comes from now on."""
        self._passes = True

    def show(self) -> None:
        """Shows what was kept: whole lines, if it was more than that."""
        lines = self._kept if len(self._kept) < KEPT_BYTES else self._kept.partition(b"\n")[2]
        _show(lines)
        self._kept = b""


def _show(text: bytes) -> None:
    sys.stderr.write(text.decode(errors="backslashreplace"))
