"""Resident memory against /proc and getrusage."""

import subprocess
import time
from pathlib import Path

import pytest

import analyze
from tests.live.recording import python, recording, wait_for

pytestmark = pytest.mark.live

MIB = 1 << 20

TOUCH = "import sys, mmap, time\nm = mmap.mmap(-1, 64 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
TOUCH += "for i in range(0, 64 << 20, 4096): m[i] = 1\n"


def status(pid: int) -> dict[str, int]:
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) << 10 for words in lines if words[-1] == "kB"}


def test_64_mib_touched_and_held(tmp_path: Path) -> None:
    with recording(tmp_path / "t.parquet", "--interval", "0.25") as r:
        process = python(TOUCH + "time.sleep(60)")
        wait_for(lambda: status(process.pid).get("RssAnon", 0) > 64 * MIB)
        time.sleep(1)
        exact = status(process.pid)
        time.sleep(0.5)
        process.kill()
        process.wait()
    columns = ("rss_anon_bytes", "rss_file_bytes", "rss_shmem_bytes", "swap_bytes", "peak_rss_bytes")
    last = r.rows(f"SELECT {', '.join(columns)} FROM memory WHERE pid = {process.pid} ORDER BY ts DESC LIMIT 1")[0]
    for seen, line in zip(last, ("RssAnon", "RssFile", "RssShmem", "VmSwap", "VmHWM"), strict=True):
        assert seen == pytest.approx(exact[line], abs=MIB), line
    assert r.one(f"SELECT peak_rss_mib FROM report.memory WHERE pid = {process.pid}") >= 64


def test_the_peak_of_a_short_life(tmp_path: Path) -> None:
    say = "\nprint(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    codes = [TOUCH + say, TOUCH + "m.close()" + say, say]  # holds it to its end; has given it back; never had it
    with recording(tmp_path / "t.parquet", "--interval", "30") as r:
        processes = [python(code, stdout=subprocess.PIPE) for code in codes]
        peaks = [int(p.communicate()[0]) << 10 for p in processes]
    with analyze.open_trace(r.path) as trace:
        if "peak_rss_bytes" in trace.metadata["unmeasured"]:
            pytest.skip("this kernel traces an exit after the memory is gone")
    for process, peak in zip(processes, peaks, strict=True):
        recorded = r.one(f"SELECT peak_rss_bytes FROM exits WHERE pid = {process.pid}")
        assert recorded == pytest.approx(peak, abs=MIB)
    assert [peak > 64 * MIB for peak in peaks] == [True, True, False]
