"""What the kernel knows of every thread, in one pass: about 1 us per thread, where /proc takes 100.

Uses task iterators (Linux 5.8), which see the threads of the pid namespace in which the pass begins: for us, all. Where
the kernel has none or refuses them, /proc is used: see `sysmon.recorder.sample.procfs`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sysmon.bpf.nulls import NOT_COUNTED
from sysmon.bpf.programs import probes, tasks
from sysmon.recorder.load import bpf_programs
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.sample import procfs

BUDGET_FRACTION = 0.01
"""Share of a CPU that passes at snapshots may take. After a long pass the next one waits; only the last does not."""

STATES = "RSDTtXZPI"
"""Letters of proc_pid_stat(5) by highest set bit (task_index_to_char(), include/linux/sched.h)."""

_REPORTED, _IDLE, _RTLOCK_WAIT, _FROZEN = 0x7F, 0x402, 0x1000, 0x8000
_UNINTERRUPTIBLE, _REPORTED_IDLE = 0x2, 0x80


@dataclass(frozen=True)
class Holding:
    """Threads and descriptors of a process. None: unknown."""

    start: int
    threads: int
    descriptors: int | None


class Tasks:
    """Runs passes over all threads, until it is closed."""

    def __init__(self, loaded: Loaded) -> None:
        """Raises OSError if the kernel allows no pass."""
        self.failed = ""  # why passes at snapshots ended
        self._links: dict[str, int] = {}  # by program
        self._not_before = 0.0
        try:
            for name in (probes.STANDING_PROGRAM, probes.HOLDING_PROGRAM, probes.OFF_CPU_PROGRAM):
                if name in loaded.programs:
                    self._links[name] = bpf_programs.attach_iterator(loaded.programs[name])
        except OSError:
            self.close()
            raise

    @classmethod
    def of(cls, loaded: Loaded) -> tuple[Tasks | None, str]:
        """None, and why, if the kernel has no such iterator or refuses it."""
        for name in (probes.STANDING_PROGRAM, probes.HOLDING_PROGRAM):
            if name not in loaded.programs:
                return None, loaded.refused.get(name, "the kernel has no iterator of tasks")
        try:
            return cls(loaded), ""
        except OSError as error:
            return None, f"the kernel refuses an iterator of tasks: {error.strerror}"

    def processes(self, chosen: Collection[int] | None = None) -> Iterator[procfs.Process]:
        """The live processes, all or the chosen ones, including zombies. Raises OSError."""
        rows = np.frombuffer(b"".join(bpf_programs.iterate(self._links[probes.STANDING_PROGRAM])), tasks.TASK.dtype)
        if chosen is not None:
            rows = rows[np.isin(rows["pid"], np.fromiter(chosen, "<u4"))]
        # The first row of a process is of its first thread or, if that has ended, of a live one.
        rows = rows[np.lexsort((rows["tid"] != rows["pid"], rows["exit_state"] != 0, rows["pid"]))]
        _pids, first = np.unique(rows["pid"], return_index=True)
        leaders = rows[rows["tid"] == rows["pid"]]
        names = dict(zip(leaders["pid"].tolist(), leaders["comm"].tolist(), strict=True))
        cpu_ns = np.add.reduceat(rows["cpu_ns"], first) if len(first) else rows["cpu_ns"]
        for row, ns in zip(rows[first], cpu_ns.tolist(), strict=True):
            yield _process(row, names.get(int(row["pid"]), row["comm"]), ns + int(row["ended_cpu_ns"]))

    def holding(self, *, anyway: bool = False) -> dict[int, Holding]:
        """Charges the I/O of every thread, and returns what recorded processes hold, by pid.

        Does nothing if passes take too large a share of the time (unless `anyway`), or if they have failed.
        """
        begun, cpu = time.monotonic(), time.thread_time()
        if self.failed or (begun < self._not_before and not anyway):
            return {}
        try:
            rows = np.frombuffer(
                b"".join(bpf_programs.iterate(self._links[probes.HOLDING_PROGRAM])), tasks.HOLDING.dtype
            )
        except OSError as error:
            self.failed = f"the kernel let no more of it be read: {error.strerror}"
            return {}
        self._not_before = begun + (time.thread_time() - cpu) / BUDGET_FRACTION
        columns = (rows[name].tolist() for name in ("pid", "start", "threads", "descriptors"))
        return {pid: Holding(start, n, _counted(pid, fds)) for pid, start, n, fds in zip(*columns, strict=True)}

    def off_cpu(self) -> npt.NDArray[np.void]:
        """The threads that are off the CPU, of `tasks.OFF_CPU`: none if the kernel does not tell."""
        if probes.OFF_CPU_PROGRAM not in self._links:
            return np.empty(0, tasks.OFF_CPU.dtype)
        try:
            return np.frombuffer(
                b"".join(bpf_programs.iterate(self._links[probes.OFF_CPU_PROGRAM])), tasks.OFF_CPU.dtype
            )
        except OSError as error:
            self.failed = f"the kernel let no more of it be read: {error.strerror}"
            return np.empty(0, tasks.OFF_CPU.dtype)

    def close(self) -> None:
        """Releases its kernel resources."""
        for link in self._links.values():
            os.close(link)
        self._links.clear()


def _process(row: np.void, comm: bytes, cpu_ns: int) -> procfs.Process:
    kernel_thread = bool(row["flags"] & procfs.PF_KTHREAD)
    pid, ppid = int(row["pid"]), int(row["ppid"])
    return procfs.Process(
        pid=pid,
        start=int(row["start"]),
        state=_state(int(row["state"]), int(row["exit_state"])),
        ppid=ppid,
        ids=procfs.Ids(**{name: int(row[name]) for name in ("uid", "euid", "gid", "egid", "ns_pid")}),
        comm=comm,
        program=procfs.program_of(f"/proc/{pid}/task/{row['tid']}", kernel_thread),
        kernel_thread=kernel_thread,
        threads=int(row["threads"]),
        cpu_ns=cpu_ns,
        parent_start=int(row["parent_start"]) if ppid else None,
        cgroup_id=int(row["cgroup_id"]) or None,
    )


def _state(state: int, exit_state: int) -> str:
    """As __task_state_index() of include/linux/sched.h does."""
    shown = (state | exit_state) & _REPORTED
    if state & _IDLE == _IDLE:
        shown = _REPORTED_IDLE
    elif state & (_RTLOCK_WAIT | _FROZEN):
        shown = _UNINTERRUPTIBLE
    return STATES[shown.bit_length()]


def _counted(pid: int, descriptors: int) -> int | None:
    """For a table too large for the program, the count in its directory (Linux 6.2)."""
    if descriptors != NOT_COUNTED:
        return descriptors
    try:
        return os.stat(f"/proc/{pid}/fd").st_size or None
    except OSError:
        return None
