"""Chooses whose shared memory is read, and when. `rollup.py` reads it, in a child process.

The question is how much of its memory a process shares: files, shared memory and, for one that was forked and has not
called execve, anonymous memory. The heap of any other is most likely private, and counts a quarter. First come
processes with the highest expected gain per CPU time: large ones that share most; those never read come before those
read already, and all before the recorder's own. The child limits its use of a CPU.

Nothing here waits for the child, except for a moment at the end: it may hang with a process whose mmap lock is held.
"""

from __future__ import annotations

import heapq
import os
import select
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sysmon.recorder.own import ownership
from sysmon.recorder.own.delegate import Child
from sysmon.recorder.sample import procfs, rollup

LARGEST_BYTES = 8 << 30
"""Maximum size of a process that is read: 90 ms, measured."""

FIXED_NS, PAGE_BYTES, PAGE_NS = 100_000, 4096, 45
"""Approximate cost of a reading: fixed, and per page."""

ENOUGH_BYTES = 1 << 30
"""Shared memory counts up to this much: otherwise one process of a large database would take all the time."""

AGAIN_S, AGAIN_TIMES = 10.0, 500
"""A process is read again no earlier than this, and than this many times the last reading's duration."""

ASKED, CHOSEN = 32, 64
"""Processes that the child is told of at a time, and that are ranked at a time."""

KNOWN = 8192
"""Processes that are remembered. Above this the lowest-ranked are forgotten."""

LAST = 4096
"""Maximum processes read at the end: as many as fit into a message."""

END_S = {True: 0.1, False: 2.0}
"""How long the end waits for the child, with and without a budget."""

WHY = {rollup.ENDED: "ended", rollup.NOT_PERMITTED: "not permitted"}
TOO_LARGE, NO_TIME, NO_ANSWER = "too large", "no time", "no answer"

UNKNOWN = {"pss": "the kernel has no /proc/PID/smaps_rollup (CONFIG_PROC_PAGE_MONITOR)"}


@dataclass(slots=True)
class _Process:
    start: int
    total: int = 0  # resident and swapped [bytes]
    shared: int = 0  # resident files and shared memory [bytes]
    anon: int = 0
    forked: bool | None = None  # without an exec since its fork; None: not checked
    rows: int = 0  # rows made so far
    next: float = 0.0  # earliest next reading, on the monotonic clock
    ours: bool = False  # the recorder, or one of its child processes

    @property
    def rank(self) -> tuple[bool, float]:
        """Higher ranks are read earlier."""
        worth = self.shared + (self.anon // 4 if self.forked is False else self.anon)
        costs_ns = FIXED_NS + self.total / PAGE_BYTES * PAGE_NS
        return not self.rows and not self.ours, min(worth, ENOUGH_BYTES) / costs_ns


def unmeasured() -> dict[str, str]:
    """What this kernel cannot supply, and why."""
    return {} if os.path.exists("/proc/self/smaps_rollup") else UNKNOWN


class Pss:
    """Tells the child whom to read, and takes its answers. Before `delegate` it does nothing."""

    def __init__(self, limited: bool = True, largest_bytes: int = LARGEST_BYTES) -> None:
        """`limited`: only for a share of a CPU, and no process larger than `largest_bytes`."""
        self._limited, self._largest_bytes = limited, largest_bytes
        self._child: Child | None = None
        self._ours = {os.getpid()}
        self._reads = rollup.Place()
        self._known: dict[int, _Process] = {}
        self._due: set[int] = set()
        self._chosen: list[int] = []  # due, the next one last
        self._asked = 0  # not answered yet
        self._rows: list[dict[str, Any]] = []
        self._longest: int | None = None

    def delegate(self, owner: ownership.User | None, ours: Iterable[int] = ()) -> None:
        """Starts the child process that reads. Call it while we have all capabilities; the child becomes `owner`.

        `ours` are other child processes of the recorder.
        """
        if not unmeasured():
            self._ours.update(ours)
            self._child = Child(partial(rollup.serve, self._reads), "CAP_SYS_PTRACE", owner)
            self._child.socket.setblocking(False)
            self._ours.add(self._child.pid)

    def cpu_ns(self) -> int:
        """CPU time of the child."""
        return self._child.cpu_ns() if self._child else 0

    def longest_ns(self) -> int | None:
        """Duration of the longest reading since the last call; None: there was none."""
        longest, self._longest = self._longest, None
        return longest

    def saw(self, rows: Iterable[dict[str, Any]]) -> None:
        """Notes these new rows of the kind `memory`: their processes are recorded, and have run."""
        if not self._child:
            return
        now = time.monotonic()
        for row in rows:
            process = self._known.get(row["pid"])
            if process is None or process.start != row["start"]:
                process = self._known[row["pid"]] = _Process(row["start"], ours=row["pid"] in self._ours)
            process.anon = row.get("rss_anon_bytes", 0)
            process.shared = row.get("rss_file_bytes", 0) + row.get("rss_shmem_bytes", 0)
            process.total = process.anon + process.shared + row.get("swap_bytes", 0)
            if self._is_too_large(process):
                if now >= process.next:
                    self._not_read(row["pid"], process, row["ts"], TOO_LARGE)
                    process.next = now + AGAIN_S
            elif now >= process.next:
                self._due.add(row["pid"])
        self._forget(time.clock_gettime_ns(time.CLOCK_BOOTTIME))

    def rows(self) -> list[dict[str, Any]]:
        """Rows read since the last call. Tells the child who is next."""
        if self._child:
            self._take()
            self._ask()
        rows, self._rows = self._rows, []
        return rows

    def end(self) -> None:
        """The recording ends: has the highest-ranked read once more, if there is time."""
        if self._child:
            known = ((pid, p) for pid, p in self._known.items() if not self._is_too_large(p))
            last = heapq.nlargest(LAST, known, key=lambda each: each[1].rank)
            self._send(True, [pid for pid, _process in last])

    def last_rows(self, ts: int) -> list[dict[str, Any]]:
        """After `end`: the remaining rows of all. Waits for the child, for a moment."""
        if not self._child:
            return []
        until = time.monotonic() + END_S[self._limited]
        poll = select.poll()
        poll.register(self._child.socket, select.POLLIN)
        while self._take() and (left := until - time.monotonic()) > 0:
            poll.poll(left * 1000)
        stuck = self._reads.get()
        for pid, process in self._known.items():
            if (pid, process.start) == stuck:
                self._not_read(pid, process, ts, NO_ANSWER)
            elif not process.rows:
                self._not_read(pid, process, ts, NO_TIME)
        rows, self._rows = self._rows, []
        return rows

    def close(self) -> None:
        """Ends the child."""
        if self._child:
            self._child.end()

    def _is_too_large(self, process: _Process) -> bool:
        return self._limited and process.total > self._largest_bytes

    def _not_read(self, pid: int, process: _Process, ts: int, why: str) -> None:
        self._rows.append({"ts": ts, "pid": pid, "start": process.start, "unread": why})
        process.rows += 1

    def _forget(self, ts: int) -> None:
        over = len(self._known) - KNOWN
        if over > 0:  # some more, so that it is not needed each time
            for pid, process in heapq.nsmallest(over + KNOWN // 8, self._known.items(), key=lambda each: each[1].rank):
                if not process.rows:
                    self._not_read(pid, process, ts, NO_TIME)
                del self._known[pid]
                self._due.discard(pid)

    def _take(self) -> bool:
        """Takes the child's answers. Returns whether more will come."""
        assert self._child
        try:
            while message := self._child.socket.recv(rollup.MESSAGE_BYTES):
                for answer in rollup.ANSWER.iter_unpack(message):
                    self._answered(*answer)
        except BlockingIOError:
            return True
        except OSError:  # somebody killed it
            pass
        return False

    def _answered(self, pid: int, start: int, ts: int, took: int, outcome: int, *sizes: int) -> None:
        self._asked -= 1
        row: dict[str, Any] = {"ts": ts, "pid": pid, "start": start, "unread": WHY.get(outcome)}
        if outcome == rollup.READ:
            row["reading_ns"] = took
            row |= {name: n for name, n in zip(rollup.LINES.values(), sizes, strict=True) if n >= 0}
            self._longest = max(took, self._longest or 0)
        self._rows.append(row)
        process = self._known.get(pid)
        if process and process.start == start:
            process.rows += 1
            process.next = time.monotonic() + max(AGAIN_S, took * AGAIN_TIMES / 1e9)
            if outcome == rollup.ENDED:
                del self._known[pid]

    def _ask(self) -> None:
        if self._asked > ASKED // 2 or not self._due:
            return
        if not self._chosen:
            self._choose()
        pids = [self._chosen.pop() for _ in range(min(ASKED - self._asked, len(self._chosen)))]
        self._due.difference_update(pids)
        pids = [pid for pid in pids if pid in self._known]
        if not self._send(False, pids):
            self._due.update(pids)

    def _choose(self) -> None:
        self._due.intersection_update(self._known)
        first = heapq.nlargest(CHOSEN, self._due, key=lambda pid: self._known[pid].rank)
        for pid in first:
            if self._known[pid].forked is None:
                self._known[pid].forked = procfs.is_forked(pid)
        self._chosen = sorted(first, key=lambda pid: self._known[pid].rank)

    def _send(self, last: bool, pids: list[int]) -> bool:
        """Tells the child to read these. Returns whether it was told."""
        assert self._child
        orders = (rollup.ORDER.pack(pid, self._known[pid].start) for pid in pids)
        try:
            self._child.socket.send(rollup.HEAD.pack(self._limited, last) + b"".join(orders))
        except OSError:  # it has not taken the previous message, or somebody killed it
            return False
        self._asked += len(pids)
        return True
