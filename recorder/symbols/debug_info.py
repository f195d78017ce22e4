"""Inlined functions, source files and lines, from DWARF. Needs the extra `symbols`; without it there are none."""

from __future__ import annotations

from typing import Any

from sysmon.recorder.symbols.demangle import demangled
from sysmon.recorder.symbols.wire import Frame

try:
    from symbolic import debuginfo, exceptions

    HAS_READER = True
except ImportError:
    HAS_READER = False

DEBUG_BYTES = 64 << 20
"""Maximum size of .debug_info that is read: 18 MB/s, measured."""

FILE_BYTES = 1 << 30
"""Maximum size of a file with debug information: all of it is mapped."""


class DebugInformation:
    """Of one file."""

    def __init__(self, fd: int) -> None:
        """Raises ValueError if it cannot be read."""
        try:
            archive = debuginfo.Archive.open(f"/proc/self/fd/{fd}")
            self._cache: Any = next(iter(archive.iter_objects())).make_symcache()
        except (exceptions.SymbolicError, StopIteration) as error:
            raise ValueError(str(error)) from None

    @classmethod
    def of(cls, fd: int, size: int, debug_size: int) -> DebugInformation | None:
        """None if there is none that can be read."""
        if not HAS_READER or not 0 < debug_size <= DEBUG_BYTES or size > FILE_BYTES:
            return None
        try:
            return cls(fd)
        except ValueError:
            return None

    def frames(self, offset: int) -> list[Frame]:
        """The functions at an address from the first segment on, the innermost first. Empty if nothing is known."""
        try:
            found = self._cache.lookup(offset)
        except exceptions.SymbolicError:
            return []
        # Without a file it comes from a table of symbols, which `elf.py` reads more exactly.
        if not found or not all(each.full_path for each in found):
            return []
        return [Frame(demangled(each.symbol), None, None, None, each.full_path, each.line or None) for each in found]
