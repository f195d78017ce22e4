"""Files of code that processes have mapped: each is read once for all of them."""

from __future__ import annotations

import contextlib
import copy
import ctypes
import io
import os
from collections import OrderedDict
from dataclasses import replace

from sysmon.recorder.symbols import elf, mappings
from sysmon.recorder.symbols.call_frames import CallFrames
from sysmon.recorder.symbols.debug_info import DebugInformation
from sysmon.recorder.symbols.demangle import demangled
from sysmon.recorder.symbols.files import Refused
from sysmon.recorder.symbols.wire import SKIPPED, Frame

KEPT, KEPT_BYTES = 256, 512 << 20
"""Maximum number of files that are remembered, and of bytes of their symbols and debug information."""

NO_SYMBOLS, NO_SYMBOL, NO_CODE = "no symbols in its file", "no symbol at this address", "not code of its file"


class Module:
    """What a file says of its addresses."""

    def __init__(self, found: elf.Elf, fd: int | None = None) -> None:
        """Raises elf.Damaged."""
        self._elf = found
        self._base = found.base()
        self._tables, self._calls = found.symbols(), CallFrames(found)
        self._source = self  # of debug information
        self._debug: DebugInformation | None = None
        self._unread: io.FileIO | None = None
        self.build_id, self.is_stripped = found.build_id(), found.is_stripped()
        self.size_bytes = sum(table.size_bytes for table in self._tables) + self._calls.size_bytes
        debug_bytes = found.section(b".debug_info")[1]
        if fd is not None and DebugInformation.may_read(os.fstat(fd).st_size, debug_bytes):
            self.size_bytes += debug_bytes
            with contextlib.suppress(OSError):  # too many are open: then there are no inlined functions
                self._unread = io.FileIO(os.dup(fd))

    @property
    def is_unread(self) -> bool:
        """Whether there is debug information that is not read yet: that may take seconds."""
        return self._source._unread is not None

    def read(self) -> None:
        """Reads the debug information."""
        if unread := self._source._unread:
            with unread as file:
                self._source._debug = DebugInformation.of(file.fileno())
            self._source._unread = None

    def with_symbols_of(self, other: Module) -> Module:
        """This one, with what was stripped off it into another file."""
        found = copy.copy(self)
        found._tables, found._source = other._tables + self._tables, other
        return found

    def frames(self, path: str, offset: int) -> tuple[tuple[Frame, ...], str | None]:
        """The functions at an offset of the file, the innermost first, or what is missing and why.

        After them comes SKIPPED if a stack lacks their caller.
        """
        address = self._elf.address(offset)
        if address is None:
            return (Frame("", path, self.build_id, None, None, None),), NO_CODE
        named = next((found for table in self._tables if (found := table.of(address))), None)
        debug = self._source._debug
        frames = debug.frames(address - self._base) if debug else []
        if not frames:
            frames = [Frame("", None, None, None, None, None)]
        if named:  # debug information may give a function in several parts the name of a neighbour
            frames[-1] = replace(frames[-1], function=demangled(named))
        missing = None if frames[-1].function else NO_SYMBOL if self._tables else NO_SYMBOLS
        calls = self._calls.of(address)
        at = calls.begin if calls and missing else address
        shown = tuple(replace(f, module=path, build_id=self.build_id, offset=at) for f in frames)
        return shown + (SKIPPED,) * bool(calls and calls.skips_caller), missing


class Modules:
    """By the identity of their files."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, ...], Module | str] = OrderedDict()
        self._size_bytes = 0

    def of(self, fd: int) -> Module:
        """The module in an open file. Raises Refused."""
        status = os.fstat(fd)
        name = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        found = self._kept.get(name)
        if found is None:
            found = self._kept[name] = _read(fd)
            self._size_bytes += 0 if isinstance(found, str) else found.size_bytes
            self._forget()
        self._kept.move_to_end(name)
        if isinstance(found, str):
            raise Refused(found)
        return found

    def _forget(self) -> None:
        while len(self._kept) > KEPT or (self._size_bytes > KEPT_BYTES and len(self._kept) > 1):
            _name, module = self._kept.popitem(last=False)
            self._size_bytes -= 0 if isinstance(module, str) else module.size_bytes


def _read(fd: int) -> Module | str:
    try:
        return Module(elf.Elf(lambda offset, size: _pread(fd, offset, size)), fd)
    except elf.Damaged as error:
        return f"its file cannot be read: {error}"
    except MemoryError:
        return "its file takes too much memory"


def _pread(fd: int, offset: int, size: int) -> bytes:
    """Up to `size` bytes: a call reads at most 2 GiB, and an offset is signed."""
    return os.pread(fd, size, offset) if offset < 2**63 - size else b""


def of_kernel() -> Module | None:
    """The code that the kernel maps into each process of our word size. It is as in this one."""
    with open("/proc/self/maps", "rb") as file:
        found = [m for m in mappings.Maps(file.fileno()).all if m.path == mappings.VDSO]
    if not found:
        return None
    content = ctypes.string_at(found[0].begin, found[0].end - found[0].begin)
    return Module(elf.of_bytes(content))
