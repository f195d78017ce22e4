"""Returns free heap memory to the system: a row group takes tens of MiB while it is written."""

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
    """Returns free heap memory, where malloc_trim(3) exists."""
    if _trim:
        _trim(0)
