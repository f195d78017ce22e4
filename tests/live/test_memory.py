"""Resident memory compared with /proc."""

import subprocess
from pathlib import Path

import pytest

from tests.live.oracles import memory
from tests.live.oracles.figure import assert_all_hold
from tests.live.recording import python, recording

pytestmark = pytest.mark.live


def test_64_mib_touched_and_held(tmp_path: Path) -> None:
    assert_all_hold(memory.held(tmp_path))


def test_the_peak_of_a_short_life(tmp_path: Path) -> None:
    figures = memory.peaks(tmp_path)
    if figures is None:
        pytest.skip("this kernel traces an exit after the memory is gone")
    assert_all_hold(figures)


HUGE = """
import ctypes, mmap, os, time
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
at = libc.mmap(None, 32 << 20, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000, -1, 0)  # MAP_HUGETLB
assert at not in (None, ctypes.c_void_p(-1).value), ctypes.get_errno()
ctypes.memset(at, 1, 32 << 20)
end = time.monotonic() + 1.2
while time.monotonic() < end: pass
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("HugetlbPages")][0])
"""


@pytest.mark.alone
def test_huge_pages_are_not_part_of_resident_memory(tmp_path: Path) -> None:
    pages = Path("/proc/sys/vm/nr_hugepages")
    before = pages.read_text()
    pages.write_text("20")
    try:
        with recording(tmp_path / "t.parquet", "--interval", "0.3") as r:
            process = python(HUGE, stdout=subprocess.PIPE)
            shown = int(process.communicate()[0]) << 10
    finally:
        pages.write_text(before)
    assert process.returncode == 0 and shown == 32 << 20
    assert r.one(f"SELECT max(hugetlb_bytes) FROM memory WHERE pid = {process.pid}") == shown
    assert r.one(f"SELECT hugetlb_mib FROM report.memory WHERE pid = {process.pid}") == 32
    assert r.one(f"SELECT rss_mib < 32 FROM report.memory WHERE pid = {process.pid}")
