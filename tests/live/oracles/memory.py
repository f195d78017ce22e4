"""Resident memory, compared with /proc."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import sysmon
from tests.live.oracles.figure import Figure
from tests.live.recording import python, recording, wait_for

MIB = 1 << 20

TOUCH = "import sys, mmap, time\nm = mmap.mmap(-1, 64 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
TOUCH += "for i in range(0, 64 << 20, 4096): m[i] = 1\n"
SAY = "\nprint(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"

LIVES = {
    "of one that holds 64 MiB to its end": TOUCH,
    "of one that has given them back": TOUCH + "m.close()",
    "of one that never had them": "",
    "of one that lives 50 ms": (
        "import mmap, time\n"
        "m = mmap.mmap(-1, 64 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)\n"
        "time.sleep(max(0, 0.05 - (time.clock_gettime(time.CLOCK_BOOTTIME) - int(open('/proc/self/stat').read()"
        ".rpartition(')')[2].split()[19]) / 100)))"
    ),
}


def status(pid: int) -> dict[str, int]:
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) << 10 for words in lines if words[-1] == "kB"}


def held(folder: Path) -> list[Figure]:
    """64 MiB touched and held."""
    with recording(folder / "held.parquet", "--interval", "0.25") as r:
        process = python(TOUCH + "time.sleep(60)")
        wait_for(lambda: status(process.pid).get("RssAnon", 0) > 64 * MIB)
        time.sleep(1)
        exact = status(process.pid)
        time.sleep(0.5)
        process.kill()
        process.wait()
    columns = ("rss_anon_bytes", "rss_file_bytes", "rss_shmem_bytes", "swap_bytes", "peak_rss_bytes")
    last = r.rows(f"SELECT {', '.join(columns)} FROM memory WHERE pid = {process.pid} ORDER BY ts DESC LIMIT 1")[0]
    assert r.one(f"SELECT peak_rss_mib FROM report.memory WHERE pid = {process.pid}") >= 64
    return [
        Figure(f"64 MiB touched and held: {line}", "/proc/PID/status", exact[line] / MIB, seen / MIB, "MiB", 1)
        for seen, line in zip(last, ("RssAnon", "RssFile", "RssShmem", "VmSwap", "VmHWM"), strict=True)
    ]


def peaks(folder: Path) -> list[Figure] | None:
    """Peaks of processes that no snapshot has seen; None where the kernel does not report them."""
    with recording(folder / "peaks.parquet", "--interval", "30") as r:
        processes = [python(code + SAY, stdout=subprocess.PIPE) for code in LIVES.values()]
        exact = [int(p.communicate()[0]) << 10 for p in processes]
    with sysmon.open(r.path) as trace:
        if "peak_rss_bytes" in trace.metadata["unmeasured"]:
            return None
    pids = [p.pid for p in processes]
    ended = {pid: (peak, ns) for pid, peak, ns in r.rows("SELECT pid, peak_rss_bytes, lifetime_ns FROM exits")}
    assert not {pid for (pid,) in r.rows("SELECT pid FROM memory")} & set(pids)
    assert [said > 64 * MIB for said in exact] == [True, True, False, True]
    assert ended[pids[-1]][1] >= 40_000_000  # `start` is in ticks of 10 ms
    return [
        Figure(f"peak {what}", "VmHWM in /proc/self/status", said / MIB, ended[pid][0] / MIB, "MiB", 1)
        for what, said, pid in zip(LIVES, exact, pids, strict=True)
    ]
