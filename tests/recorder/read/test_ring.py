"""The ring reader, on memory with the kernel's layout."""

import mmap
import os

import numpy as np
import pytest

from sysmon.bpf.kind import Col, layout
from sysmon.recorder.read import ring as rings
from sysmon.recorder.read.ring import BUSY, DISCARDED, Ring

PAGE = os.sysconf("SC_PAGE_SIZE")
SIZE = 4 * PAGE
LAYOUT = layout("s", (Col("n", "u64", "."), Col("m", "u64", "."), Col("k", "u64", ".")))
RECORD = 8 + 24  # with its header


class Kernel:
    """The writing end."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("ring")
        os.ftruncate(self.fd, 2 * PAGE + 2 * SIZE)  # the data is mapped twice in a row
        self.memory = mmap.mmap(self.fd, 2 * PAGE + 2 * SIZE)
        self.at = 0

    def write(self, n: int, flags: int = 0) -> None:
        body = np.array([n, 0, 0], "<u8").tobytes()
        record = np.array([24 | flags, 0], "<u4").tobytes() + body
        for i, byte in enumerate(record):
            self.put(self.at + i, byte)
        self.at += RECORD
        self.memory[PAGE : PAGE + 8] = self.at.to_bytes(8, "little")

    def put(self, at: int, byte: int) -> None:
        self.memory[2 * PAGE + at % SIZE] = self.memory[2 * PAGE + SIZE + at % SIZE] = byte

    def submit(self, index: int) -> None:
        at = index * RECORD % SIZE
        header = int.from_bytes(self.memory[2 * PAGE + at : 2 * PAGE + at + 4], "little") & ~BUSY
        for i, byte in enumerate(header.to_bytes(4, "little")):
            self.put(at + i, byte)

    def read_to(self) -> int:
        return int.from_bytes(self.memory[:8], "little")


@pytest.fixture
def kernel():  # type: ignore[no-untyped-def]
    kernel = Kernel()
    yield kernel
    kernel.memory.close()
    os.close(kernel.fd)


def numbers(ring: Ring) -> list[int]:
    return [int(n) for piece in ring.pieces() for n in piece["n"]]


def test_reads_what_has_come_and_frees_it(kernel: Kernel) -> None:
    ring = Ring(kernel.fd, SIZE, LAYOUT)
    assert numbers(ring) == []
    for n in range(5):
        kernel.write(n)
    assert ring.waiting_bytes() == 5 * RECORD
    assert numbers(ring) == [0, 1, 2, 3, 4]
    assert kernel.read_to() == 5 * RECORD
    assert ring.waiting_bytes() == 0
    ring.close()


def test_goes_round_many_times(kernel: Kernel) -> None:
    ring = Ring(kernel.fd, SIZE, LAYOUT)
    seen, n = [], 0
    for step in (211, 307, 401, 97) * 5:  # SIZE holds 512: records are split over the end
        for _ in range(step):
            kernel.write(n)
            n += 1
        seen += numbers(ring)
    assert seen == list(range(n))
    ring.close()


def test_stops_before_a_record_that_is_still_being_written(kernel: Kernel) -> None:
    ring = Ring(kernel.fd, SIZE, LAYOUT)
    kernel.write(1)
    kernel.write(2, BUSY)
    kernel.write(3)
    assert numbers(ring) == [1]
    assert numbers(ring) == []
    kernel.submit(1)
    assert numbers(ring) == [2, 3]
    ring.close()


def test_passes_over_discarded_records(kernel: Kernel) -> None:
    ring = Ring(kernel.fd, SIZE, LAYOUT)
    kernel.write(1)
    kernel.write(2, DISCARDED)
    kernel.write(3)
    assert numbers(ring) == [1, 3]
    assert kernel.read_to() == 3 * RECORD
    ring.close()


def test_the_copy_outlives_the_ring(kernel: Kernel) -> None:
    ring = Ring(kernel.fd, SIZE, LAYOUT)
    kernel.write(7)
    (records,) = ring.pieces()
    ring.close()
    assert records["n"].tolist() == [7]


def test_a_full_ring_comes_in_pieces(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rings, "PIECE_BYTES", 7 * RECORD + 1)
    ring = Ring(kernel.fd, SIZE, LAYOUT)
    for n in range(512):
        kernel.write(n, DISCARDED if 14 <= n < 21 else 0)
    pieces = list(ring.pieces())
    assert [len(p) for p in pieces] == [7] * 72 + [1]
    assert [int(n) for p in pieces for n in p["n"]] == [n for n in range(512) if not 14 <= n < 21]
    assert ring.waiting_bytes() == 0
    ring.close()
