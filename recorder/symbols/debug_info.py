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

DEBUG_BYTES = 8 << 20
"""Maximum size of .debug_info that is read: 18 MB/s, measured, and rows wait for names for 5 s."""

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

    @staticmethod
    def may_read(size: int, debug_size: int) -> bool:
        """Whether it would be read in a file of this size, with so much of .debug_info."""
        return HAS_READER and 0 < debug_size <= DEBUG_BYTES and size <= FILE_BYTES

    @classmethod
    def of(cls, fd: int) -> DebugInformation | None:
        """None if it cannot be read."""
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
