"""What a process holds, and from when on it is recorded, against what it says itself."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tests.live.oracles.figure import Figure
from tests.live.recording import NOBODY, python, recording, wait_for

THREADS = 6
HOLDS = (
    "import ctypes, os, sys, threading, time\n"
    "files = [os.open('/etc/passwd', os.O_RDONLY) for _ in range(300)]\n"
    "def work():\n"
    "  print(len(os.listdir('/proc/thread-self/fd')) - 1, flush=True)\n"
    "  while True: time.sleep(0.02)\n"
    "for _ in range(4): threading.Thread(target=lambda: time.sleep(60), daemon=True).start()\n"
    "threading.Thread(target=work, daemon=True).start()\n"
)
EXIT_THREAD = {"x86_64": 60}.get(os.uname().machine, 93)  # the number of exit(2), which ends one thread
ENDS = {
    "whose first thread lives": "time.sleep(60)",
    "whose first thread has ended": f"ctypes.CDLL(None).syscall({EXIT_THREAD}, 0)",
}

DROPS = f"import os, sys\nfor _ in range(700): os.getppid()\nos.setuid({NOBODY})\nfor _ in range(5000): os.getppid()\n"


def held(folder: Path) -> list[Figure]:
    """Threads and descriptors of processes with 300 files open, in snapshots."""
    figures = []
    for i, (what, end) in enumerate(ENDS.items()):
        process = python(HOLDS + end, stdout=subprocess.PIPE)
        assert process.stdout
        exact = int(process.stdout.readline())
        wait_for(lambda pid=process.pid: len(os.listdir(f"/proc/{pid}/task")) == THREADS)  # type: ignore[misc]
        with recording(folder / f"held-{i}.parquet", "--interval", "0.2") as r:
            time.sleep(1)
        process.kill()
        process.communicate()
        query = "SELECT {}(threads), {}(descriptors) FROM memory WHERE threads > 0 AND pid = {}"
        for extreme in ("min", "max"):
            ((threads, descriptors),) = r.rows(query.format(extreme, extreme, process.pid))
            figures += [
                Figure(f"a process {what}: threads, {extreme}", "/proc/PID/task", THREADS, threads),
                Figure(f"a process {what}: descriptors, {extreme}", "/proc/PID/fd", exact, descriptors),
            ]
    return figures


def filtered(folder: Path) -> list[Figure]:
    """A process that becomes another user's: 700 calls before, 5,000 after."""
    figures = []
    for chosen, exact in (("0", 700), (str(NOBODY), 5000)):
        with recording(folder / f"filter-{chosen}.parquet", "--uid", chosen) as r:
            process = python(DROPS)
            process.wait()
        seen = r.one(f"SELECT sum(calls) FROM syscall_stats WHERE pid = {process.pid} AND syscall = 'getppid'")
        figures.append(Figure(f"calls as the user {chosen}", "the program", exact, int(seen)))
    return figures
