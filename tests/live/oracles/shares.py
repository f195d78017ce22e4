"""Private memory and PSS, for layouts with a known answer, and compared with /proc/PID/smaps_rollup."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.live.oracles.figure import Figure
from tests.live.recording import Trace, python, recording

MIB = 1 << 20

LAYOUT = """
import ctypes, mmap, os, sys, time
size, how = 48 << 20, sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
def touch(m, first=0, last=size):
    for i in range(first, last, 4096): m[i] = 1
"""

WAIT = """
print(*pids, flush=True)
while True: time.sleep(0.02)
"""

FOUR = (
    LAYOUT
    + """
if how == "file":
    f = open(sys.argv[2], "w+b"); f.truncate(size); f.write(os.urandom(4096)); f.flush()
    m = mmap.mmap(f.fileno(), size)
elif how == "tmpfs":
    f = open(os.memfd_create("x"), "w+b"); f.truncate(size); m = mmap.mmap(f.fileno(), size)
else:
    m = mmap.mmap(-1, size, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
touch(m)
pids = [os.getpid()]
for _ in range(3):
    r, w = os.pipe()
    pid = os.fork()
    if not pid:
        touch(m); os.write(w, b"1")
        while True: time.sleep(0.02)
    os.read(r, 1); pids.append(pid)
"""
    + WAIT
)

COPY_ON_WRITE = (
    LAYOUT
    + """
m = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
touch(m)
r, w = os.pipe()
pids = [os.getpid(), os.fork()]
if not pids[1]:
    touch(m, 0, 12 << 20)
    os.write(w, b"1")
    while True: time.sleep(0.02)
os.read(r, 1)
"""
    + WAIT
)


@contextlib.contextmanager
def layout(code: str, *args: str) -> Iterator[list[int]]:
    """The processes of a layout, which runs until the body has ended."""
    process = python(code, *args, stdout=subprocess.PIPE)
    assert process.stdout
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert pids
    try:
        yield pids
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        process.communicate()


def rollup_of(pid: int) -> dict[str, int]:
    """/proc/PID/smaps_rollup, in bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split()[0].rstrip(":"): int(line.split()[1]) << 10 for line in lines}


RECORD = ("--interval", "0.2", "--with", "pss", "--only", "cpu,memory")


def last(trace: Trace, pid: int, column: str) -> float:
    """The value last read [MiB]."""
    rows = trace.rows(f"SELECT {column} FROM pss WHERE pid = {pid} AND unread IS NULL ORDER BY ts DESC LIMIT 1")
    assert rows, trace.rows(f"FROM pss WHERE pid = {pid}")
    return float(rows[0][0]) / MIB


def of_four(folder: Path, how: str) -> list[Figure]:
    """48 MiB that four processes map and touch, so a quarter each; `how`: anonymous, tmpfs or file."""
    kind = "file" if how == "file" else "shmem"
    with (
        layout(FOUR, how, str(folder / "mapped")) as pids,
        recording(folder / f"{how}.parquet", *RECORD) as r,
    ):
        time.sleep(1)
        exact = {pid: rollup_of(pid) for pid in pids}
    assert all(r.one(f"SELECT max(rss_{kind}_bytes) FROM memory WHERE pid = {pid}") >= 48 * MIB for pid in pids)
    assert all(last(r, pid, "private_dirty_bytes") < 12 for pid in pids)
    what = f"48 MiB {how} that four processes share"
    figures = [
        Figure(f"{what}, of process {n}: {line}", "/proc/PID/smaps_rollup", exact[pid][line] / MIB,
               last(r, pid, column), "MiB", 1)
        for n, pid in enumerate(pids, 1)
        for line, column in (("Pss", "pss_bytes"), ("Private_Dirty", "private_dirty_bytes"))
    ]  # fmt: skip
    # Libraries are shared too: less than 2 MiB each.
    parts = [last(r, pid, f"pss_{kind}_bytes") for pid in pids]
    return [*figures, Figure(f"{what}: the largest part", "a quarter", 12, max(parts), "MiB", 2)]


def after_a_fork(folder: Path) -> list[Figure]:
    """48 MiB of a process that forks; the child writes to 12, which then are private on both sides."""
    with layout(COPY_ON_WRITE, "") as (parent, child), recording(folder / "cow.parquet", *RECORD) as r:
        time.sleep(1)
    figures = []
    for name, pid in (("parent", parent), ("child", child)):
        resident = r.one(f"SELECT max(rss_anon_bytes) FROM memory WHERE pid = {pid}") / MIB
        assert resident >= 48, "for each all of it"
        what = f"48 MiB, forked, 12 written to by the child: {name}"
        # Python itself has written to less than 5 MiB since the fork.
        for column, mib in (("private_dirty_bytes", 12), ("pss_anon_bytes", 12 + 36 / 2)):
            figures.append(Figure(f"{what}, {column}", "what was written", mib, last(r, pid, column), "MiB", 5))
        anonymous = last(r, pid, "anonymous_bytes")
        figures.append(Figure(f"{what}, anonymous", "/proc/PID/status", resident, anonymous, "MiB", 1))
    return figures
