"""The mappings of a process, from its /proc/PID/maps."""

from __future__ import annotations

import bisect
import os
from typing import NamedTuple

BYTES = 32 << 20
"""Maximum of what is read: 65,530 mappings (vm.max_map_count), with long names."""

DELETED, VDSO = b" (deleted)", b"[vdso]"

OF_MEMORY = (b"/memfd:", b"/dev/zero (deleted)", b"/anon_hugepage", b"/SYSV")
"""How the names begin that the kernel gives to files of memory (mm/shmem.c, ipc/shm.c)."""


class Mapping(NamedTuple):
    """A part of the address space. `path` as the reader of the list sees it; empty: it has none."""

    begin: int
    end: int
    executable: bool
    offset: int  # of `begin`, in the file
    inode: int
    path: bytes

    @property
    def has_file(self) -> bool:
        """Whether it is of a file that has a name, rather than of memory that the kernel keeps in files of its own."""
        return bool(self.inode) and not self.path.startswith(OF_MEMORY)


class Maps:
    """Mappings by address; none if the process has ended."""

    def __init__(self, fd: int) -> None:
        *lines, _cut = _read(fd).split(b"\n")
        self.all = [_parsed(line) for line in lines]
        self._begins = [mapping.begin for mapping in self.all]

    def __len__(self) -> int:
        return len(self.all)

    def of(self, address: int) -> Mapping | None:
        """The mapping that contains the address."""
        at = bisect.bisect_right(self._begins, address) - 1
        return self.all[at] if at >= 0 and address < self.all[at].end else None


def _read(fd: int) -> bytes:
    parts, left = [], BYTES
    while left > 0:
        try:
            part = os.read(fd, 1 << 16)
        except ProcessLookupError:
            return b""
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _parsed(line: bytes) -> Mapping:
    span, permissions, offset, _device, rest = line.split(b" ", 4)
    begin, _, end = span.partition(b"-")
    inode, _, path = rest.partition(b" ")
    return Mapping(
        int(begin, 16), int(end, 16), permissions[2:3] == b"x", int(offset, 16), int(inode), path.lstrip(b" ")
    )
