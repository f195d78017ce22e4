"""Bytes to and from storage, compared with /proc/PID/io as the process itself reads it just before its end."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.live.oracles.figure import Figure
from tests.live.recording import python, recording

SAY = "\nprint(open('/proc/self/io').read())"

LIBAIO = """
import ctypes, mmap, os, struct
libc = ctypes.CDLL(None)
context = ctypes.c_ulong()
assert libc.syscall(206, 8, ctypes.byref(context)) == 0                      # io_setup
fd = os.open("aio", os.O_CREAT | os.O_RDWR | os.O_DIRECT, 0o600)
room = mmap.mmap(-1, 1 << 20)
at = ctypes.addressof(ctypes.c_char.from_buffer(room))
for i in range(20):
    cb = ctypes.create_string_buffer(struct.pack("<QIIHhIQQqQII", 0, 0, 0, 1, 0, fd, at, 1 << 20, i << 20, 0, 0, 0), 64)
    one = (ctypes.c_void_p * 1)(ctypes.addressof(cb))
    assert libc.syscall(209, context, 1, one) == 1                            # io_submit
    assert libc.syscall(208, context, 1, 1, ctypes.create_string_buffer(32), None) == 1  # io_getevents
"""

WORK = {
    "20 MiB written by libaio": LIBAIO,
    "10 MiB written by write(2)": "f = open('a', 'wb')\nfor _ in range(10): f.write(bytes(1 << 20))\nf.close()",
    "8 MiB of a mapped file dirtied": (
        "import mmap\nf = open('m', 'w+b'); f.truncate(8 << 20); m = mmap.mmap(f.fileno(), 8 << 20)\n"
        "for i in range(0, 8 << 20, 4096): m[i] = 1"
    ),
    "6 MiB written, and the file truncated": (
        "import os\nf = open('t', 'wb', 0); f.write(bytes(6 << 20)); os.ftruncate(f.fileno(), 0)"
    ),
    "5 MiB read from storage": (
        "import os\nf = open('r', 'w+b'); f.write(bytes(5 << 20)); f.flush(); os.fsync(f.fileno())\n"
        "os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED); f.seek(0); f.read()"
    ),
    "by a thread that ended before": (
        "import threading\nt = threading.Thread(target=lambda: open('b', 'wb').write(bytes(3 << 20)))\n"
        "t.start(); t.join()"
    ),
}
"""What it does, and the program. System call numbers are those of x86-64."""

COLUMNS = {
    "rchar": "rchar_bytes",
    "wchar": "wchar_bytes",
    "syscr": "read_calls",
    "syscw": "write_calls",
    "read_bytes": "storage_read_bytes",
    "write_bytes": "storage_write_bytes",
    "cancelled_write_bytes": "cancelled_write_bytes",
}
"""Line of /proc/PID/io → column of `process_io`."""


SPARED = {"rchar": 20_000, "wchar": 2_000, "syscr": 40, "syscw": 2, "read_bytes": 65_536}
"""After reading its own account a process still reports it, and reads and closes files."""


def accounted(folder: Path) -> list[Figure]:
    """Each kind of work in a process of its own, over several snapshots."""
    with recording(folder / "storage.parquet", "--interval", "0.1") as r:
        said = {}
        for what, code in WORK.items():
            process = python(code + SAY, cwd=folder, stdout=subprocess.PIPE)
            text = process.communicate()[0]
            lines = (line.split(": ") for line in text.split("\n") if line)
            said[what] = process.pid, {name: int(value) for name, value in lines}
    figures = []
    for what, (pid, exact) in said.items():
        (row,) = r.rows(f"SELECT {', '.join(f'sum({c})' for c in COLUMNS.values())} FROM process_io WHERE pid = {pid}")
        for (line, column), seen in zip(COLUMNS.items(), map(int, row), strict=True):
            spared = SPARED.get(line, 0)
            figures.append(Figure(f"{what}: {column}", "/proc/PID/io", exact[line], seen, "", spared))
    return figures
