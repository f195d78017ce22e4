"""Names of functions as C++ and Rust write them. Needs the extra `symbols`; without it they stay as linked."""

from __future__ import annotations

import contextlib
import re

from sysmon.recorder.symbols.wire import NAME_BYTES

with contextlib.suppress(ImportError):
    import pycxxfilt

MANGLED = ("_Z", "_R")
"""How names begin in the Itanium C++ ABI, and in Rust's own scheme."""

_HASH = re.compile(r"::h[0-9a-f]{16}\b")  # ends a name of Rust's older scheme


def demangled(name: str) -> str:
    """The name as its language writes it. One that is not mangled, or not correctly, stays as it is."""
    if not name.startswith(MANGLED) or len(name) > NAME_BYTES:
        return name
    try:
        return _HASH.sub("", pycxxfilt.demangle(name) or name)
    except (ValueError, NameError):  # NameError: the extra is not installed
        return name
