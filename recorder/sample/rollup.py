"""Reads /proc/PID/smaps_rollup in a child process of the recorder; `pss.py` chooses whose.

The kernel walks all page tables of the process with its mmap lock held for reading: about 45 ns per mapped page of 4
KiB, 45 ms for 4 GiB. Meanwhile whoever changes a mapping of that process waits; faults mostly do not, since Linux 6.4
(CONFIG_PER_VMA_LOCK). Between two mappings it lets waiters go first (since 5.10, show_smaps_rollup(),
fs/proc/task_mmu.c). While it waits for the lock itself, only SIGKILL ends that (mmap_read_lock_killable()). Hence a
child: it may hang.

The child has the recorder's nice value, the highest, as a reader that is preempted with the lock held keeps others
waiting. On two CPUs with four busy processes, mmap(2) in a process of 2 GiB that was being read waited at most 33 ms
with the reader at -20, 207 ms at 0, 4 s at 19, and 17 s under SCHED_IDLE.
"""

from __future__ import annotations

import math
import mmap
import os
import select
import socket
import struct
import time
from collections import deque

from sysmon.recorder.sample import clock, procfs

ORDER = struct.Struct("=IQ")
"""pid and start [ns] of a process to be read."""

HEAD = struct.Struct("=B?")
"""Start of a message of orders: whether there is a budget, and whether these orders replace all earlier ones."""

LINES = {
    b"Pss:": "pss_bytes",
    b"Pss_Anon:": "pss_anon_bytes",
    b"Pss_File:": "pss_file_bytes",
    b"Pss_Shmem:": "pss_shmem_bytes",
    b"Private_Dirty:": "private_dirty_bytes",
    b"Private_Clean:": "private_clean_bytes",
    b"Shared_Dirty:": "shared_dirty_bytes",
    b"Shared_Clean:": "shared_clean_bytes",
    b"Anonymous:": "anonymous_bytes",
    b"SwapPss:": "swap_pss_bytes",
}

ANSWER = struct.Struct(f"=IQQQB{len(LINES)}q")
"""pid and start of a process, when it was read [ns, CLOCK_BOOTTIME], how long it took, READ or another outcome, sizes.
"""

READ, ENDED, NOT_PERMITTED = range(3)

ANSWERS = 32
"""Answers per message."""

MESSAGE_BYTES = 1 << 16
"""Larger than any message."""

BUDGET, LAST_BUDGET = 0.0015, 0.002
"""Shares of a CPU that may be used: before the recording ends, so that something is left for then, and after."""


class Place:
    """Which process is being read, in memory that parent and child share: it tells with whom a child hangs."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)

    def set(self, pid: int, start: int) -> None:
        """Stores the process."""
        ORDER.pack_into(self._memory, 0, pid, start)

    def get(self) -> tuple[int, int]:
        """(pid, start), or (0, 0): none."""
        pid, start = ORDER.unpack_from(self._memory)
        return pid, start


class Budget:
    """CPU time of this process. One reading may exceed it: then the next waits until that time is earned.

    The 3 ms of start-up do not count: a short recording would have nothing else.
    """

    def __init__(self) -> None:
        self._began, self._ready_ns = time.monotonic_ns(), time.process_time_ns()
        self._has_read = False

    def wait_s(self, share: float) -> float:
        """How long to wait before the next reading; not before the first."""
        if not self._has_read:
            return 0.0
        used = time.process_time_ns() - self._ready_ns
        return max(0.0, (used / share - (time.monotonic_ns() - self._began)) / 1e9)

    def spent(self) -> None:
        """Notes that something was read."""
        self._has_read = True


def serve(place: Place, sock: socket.socket) -> None:
    """Reads as ordered, until the other end is closed or the last orders are done."""
    poll, budget = select.poll(), Budget()
    poll.register(sock, select.POLLIN)
    orders: deque[tuple[int, int]] = deque()
    answers: list[bytes] = []
    limited, last = True, False
    while orders or not last:
        wait = budget.wait_s(LAST_BUDGET if last else BUDGET) if limited else 0.0
        if last and wait:
            break
        if answers and (wait or not orders or len(answers) >= ANSWERS):
            sock.sendall(b"".join(answers))
            answers = []
        if poll.poll(math.ceil(wait * 1000) if orders else None):
            message = sock.recv(MESSAGE_BYTES)
            if not message:
                return
            limited, last = HEAD.unpack_from(message)
            orders = (deque() if last else orders) + deque(ORDER.iter_unpack(message[HEAD.size :]))
        elif orders:
            place.set(*orders[0])
            answers.append(read(*orders.popleft()))
            place.set(0, 0)
            budget.spent()
    sock.sendall(b"".join(answers))


def read(pid: int, start: int) -> bytes:
    """Reads one process; returns the answer."""
    text, outcome, began = b"", READ, clock.boottime_ns()
    try:
        with procfs.folder(pid, start) as folder:
            began = clock.boottime_ns()
            text = _rollup(folder, pid)
    except PermissionError:
        outcome = NOT_PERMITTED
    except (FileNotFoundError, ProcessLookupError):
        outcome = ENDED
    took = clock.boottime_ns() - began
    words = text.split()
    sizes = {LINES[word]: int(words[i + 1]) << 10 for i, word in enumerate(words[:-1]) if word in LINES}
    return ANSWER.pack(pid, start, began, took, outcome, *(sizes.get(name, -1) for name in LINES.values()))


def _rollup(folder: int, pid: int) -> bytes:
    try:
        return procfs.read_at(folder, "smaps_rollup")
    except ProcessLookupError:  # it has no memory (any more), or its first thread has ended
        thread = os.path.basename(procfs.living(pid))
        if thread == str(pid):
            raise
        return procfs.read_at(folder, f"task/{thread}/smaps_rollup")
