"""Reads a BPF ring buffer in bulk: its memory is mapped and seen as one numpy array, with no work per record.

All records of a ring have one size. The layout of a ring is that of kernel/bpf/ringbuf.c: a page with the consumer's
position, a page with the producer's, then the data; each record has a header of 8 bytes.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform

import numpy as np
import numpy.typing as npt

from bpf.kind import Layout

BUSY, DISCARDED = 1 << 31, 1 << 30  # in a record's header: not submitted yet, not to be read

_MEMBARRIER = {"aarch64": 283, "riscv64": 283}
_MEMBARRIER_GLOBAL = 1


def _order_reads() -> None:
    """On machines that reorder reads, keeps what is read after this from being read before it."""
    number = _MEMBARRIER.get(platform.machine())
    if number is not None:
        ctypes.CDLL(None).syscall(ctypes.c_long(number), ctypes.c_int(_MEMBARRIER_GLOBAL), 0, 0)


class Ring:
    """The reading end of a ring. `records` returns what has come and frees its room."""

    def __init__(self, fd: int, size: int, layout: Layout) -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        self.size = size
        self.record = np.dtype([("header", "<u4"), ("page", "<u4"), *((f.name, f.np_type) for f in layout.fields)])
        self._consumer = mmap.mmap(fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        # The kernel offers the data twice in a row, so that no record is split at the end. We map it once, and put the
        # two parts together when we copy: mapped pages count as memory of the recorder.
        self._producer = mmap.mmap(fd, page + size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        self._read_to = np.frombuffer(self._consumer, np.uint64, 1)
        self._written_to = np.frombuffer(self._producer, np.uint64, 1)
        self._data = np.frombuffer(self._producer, np.uint8, offset=page)

    def waiting_bytes(self) -> int:
        """Bytes that wait to be read."""
        return int(self._written_to[0]) - int(self._read_to[0])

    def records(self) -> npt.NDArray[np.void]:
        """A copy of every record that is complete, oldest first, without those that were discarded."""
        begin, end = int(self._read_to[0]), int(self._written_to[0])
        _order_reads()
        count = (end - begin) // self.record.itemsize
        if not count:
            return np.empty(0, self.record)
        records = self._copy(begin % self.size, count * self.record.itemsize).view(self.record)
        busy = (records["header"] & BUSY) != 0
        if busy.any():
            records = records[: int(busy.argmax())]
        self._read_to[0] = begin + len(records) * self.record.itemsize
        discarded = (records["header"] & DISCARDED) != 0
        return records[~discarded] if discarded.any() else records

    def _copy(self, at: int, length: int) -> npt.NDArray[np.uint8]:
        head = self._data[at : at + length]
        return head.copy() if len(head) == length else np.concatenate((head, self._data[: length - len(head)]))

    def close(self) -> None:
        """Unmaps the ring."""
        del self._read_to, self._written_to, self._data
        self._consumer.close()
        self._producer.close()
