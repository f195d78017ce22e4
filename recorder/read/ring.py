"""Reads a BPF ring buffer in bulk: maps its memory and views it as numpy arrays, with no work per record.

All records of a ring have one size. Layout, from kernel/bpf/ringbuf.c: a page with the consumer's position, a page with
the producer's, then the data; each record has a header of 8 bytes.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sysmon.bpf.kind import Layout

BUSY, DISCARDED = 1 << 31, 1 << 30  # in a record's header: not submitted yet; to be skipped

PIECE_BYTES = 1 << 20
"""Read at a time, so that memory use does not depend on how full a ring is."""

_MEMBARRIER = {"aarch64": 283, "riscv64": 283}
_MEMBARRIER_GLOBAL = 1


def _order_reads() -> None:
    """On machines that reorder reads, keeps later reads from being done before this point."""
    number = _MEMBARRIER.get(platform.machine())
    if number is not None:
        ctypes.CDLL(None).syscall(ctypes.c_long(number), ctypes.c_int(_MEMBARRIER_GLOBAL), 0, 0)


class Ring:
    """The reading end of a ring. `pieces` yields what has come and frees its space."""

    def __init__(self, fd: int, size: int, layout: Layout) -> None:
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._fd = fd
        self.size = size
        self.record = np.dtype([("header", "<u4"), ("page", "<u4"), *((f.name, f.np_type) for f in layout.fields)])
        self._consumer = mmap.mmap(fd, self._page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._producer = mmap.mmap(fd, self._page, mmap.MAP_SHARED, mmap.PROT_READ, offset=self._page)
        self._read_to = np.frombuffer(self._consumer, np.uint64, 1)
        self._written_to = np.frombuffer(self._producer, np.uint64, 1)

    def waiting_bytes(self) -> int:
        """Bytes that wait to be read."""
        return int(self._written_to[0]) - int(self._read_to[0])

    def pieces(self) -> Iterator[npt.NDArray[np.void]]:
        """Copies of the records complete by now, oldest first, without discarded ones."""
        end = int(self._written_to[0])
        _order_reads()
        while count := min(end - int(self._read_to[0]), PIECE_BYTES) // self.record.itemsize:
            begin = int(self._read_to[0])
            records = self._copy(begin % self.size, count * self.record.itemsize).view(self.record)
            busy = (records["header"] & BUSY) != 0
            if busy.any():
                records = records[: int(busy.argmax())]
            self._read_to[0] = begin + len(records) * self.record.itemsize
            discarded = (records["header"] & DISCARDED) != 0
            kept = records[~discarded] if discarded.any() else records
            if len(kept):
                yield kept
            if busy.any():
                return

    def _copy(self, at: int, length: int) -> npt.NDArray[np.uint8]:
        """Maps the data only for the moment, as mapped pages count as the recorder's memory.

        The kernel maps the data twice in a row, so nothing is split at the end.
        """
        first = at // self._page * self._page
        offset = 2 * self._page + first
        with mmap.mmap(self._fd, at - first + length, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset) as data:
            return np.frombuffer(data[at - first : at - first + length], np.uint8)

    def close(self) -> None:
        """Unmaps the ring."""
        del self._read_to, self._written_to
        self._consumer.close()
        self._producer.close()
