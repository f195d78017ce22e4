"""Names of functions as C++ and Rust write them. Needs the extra `symbols`; without it they stay as linked."""

from __future__ import annotations

import contextlib
import re
import sys

from sysmon.recorder.symbols.wire import NAME_BYTES

with contextlib.suppress(ImportError):
    import pycxxfilt

MANGLED = ("_Z", "_R")
"""How names begin in the Itanium C++ ABI, and in Rust's own scheme."""

_HASH = re.compile(r"::h[0-9a-f]{16}\b")  # ends a name of Rust's older scheme

_ESCAPED = {"SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")", "C": ","}
"""What that scheme writes between dollar signs (compiler/rustc_symbol_mangling/src/legacy.rs); others as `u7b`."""

_ESCAPE = re.compile(rf"(?:(?<![^:])_(?=\$))?\$({'|'.join(_ESCAPED)}|u[0-9a-f]{{1,6}})\$|\.\.")
"""A part of the name that begins with one has an underscore before it."""


def demangled(name: str) -> str:
    """The name as its language writes it. One that is not mangled, or not correctly, stays as it is."""
    if not name.startswith(MANGLED) or len(name) > NAME_BYTES:
        return name
    try:
        found = pycxxfilt.demangle(name) or name
    except (ValueError, NameError):  # NameError: the extra is not installed
        return name
    without, hashes = _HASH.subn("", found)
    return _ESCAPE.sub(_unescaped, without) if hashes else found


def _unescaped(escape: re.Match[str]) -> str:
    word = escape[1]
    if word is None:
        return "::"
    if word in _ESCAPED:
        return _ESCAPED[word]
    character = chr(min(int(word[1:], 16), sys.maxunicode))
    return character if character.isprintable() else escape[0]
