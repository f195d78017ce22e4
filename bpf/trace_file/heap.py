"""Gives free heap back to the system: a row group takes tens of MiB while it is written."""

from __future__ import annotations

import ctypes
from collections.abc import Callable


def _malloc_trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # not the GNU C library
        return None


_trim = _malloc_trim()


def trim() -> None:
    """Gives it back, where that can be asked for."""
    if _trim:
        _trim(0)
