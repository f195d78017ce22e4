"""The machine as a whole, at each snapshot: its CPUs, its memory, and how long work stalled for lack of them.

CPU times come from the programs, the rest from /proc, whose fields proc_meminfo(5) and Documentation/accounting/psi.rst
explain. What the kernel does not report is left out of a row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from sysmon.bpf.kind import TICK_NS
from sysmon.bpf.programs.structs import CPU_STATE, CPU_TIME
from sysmon.recorder.load import bpf_maps
from sysmon.recorder.load.cpus import online_cpus, present_cpus
from sysmon.recorder.load.loader import Loaded

MEMINFO = {
    "mem_total_bytes": b"MemTotal",
    "mem_free_bytes": b"MemFree",
    "mem_available_bytes": b"MemAvailable",
    "page_cache_bytes": b"Cached",
    "slab_bytes": b"Slab",
    "swap_total_bytes": b"SwapTotal",
    "swap_free_bytes": b"SwapFree",
}
"""Column → line of /proc/meminfo."""

PRESSURES = ("cpu", "memory", "io")

_STALLED = re.compile(rb"^(some|full) .* total=(\d+)$", re.MULTILINE)

STAT_COLUMNS = (5, 6, 7)
"""Fields of a CPU's line in /proc/stat: irq, softirq and steal (proc_stat(5))."""


class Machine:
    """Makes the rows of `host` and `machine`, each for the time since the previous one."""

    def __init__(self, loaded: Loaded, cpus: int) -> None:
        """Must be created before the programs are attached."""
        self._fd, self._cpus = loaded.maps["cpu_times"], cpus
        self._times = self._read_times()
        self._stalled = _stalled_ns()
        self._stat = _stat_ns()
        self._stolen = dict.fromkeys(self._stat, 0)  # not in any row yet
        self._since = 0
        self._online = frozenset(online_cpus())
        states = np.zeros(cpus, CPU_STATE.dtype)
        states["leaving"] = [cpu not in self._online for cpu in range(cpus)]
        bpf_maps.update(loaded.maps["cpu_states"], bytes(4), states.tobytes())

    def begin(self, t0: int) -> None:
        """Starts the recording [ns, CLOCK_BOOTTIME]."""
        self._since = t0

    def host_rows(self, epoch: int, ts: int) -> list[dict[str, Any]]:
        """A row for each CPU of the machine, for an epoch that has ended."""
        before, now, stat = self._times, self._read_times(), _stat_ns()
        parity = epoch & 1
        online, were_online = frozenset(online_cpus()), self._online
        rows = []
        for cpu in present_cpus():
            row = {name: int(now[cpu][name][parity] - before[cpu][name][parity]) for name in ("idle_ns", "busy_ns")}
            # What the next epoch already has is for the next snapshot.
            for name in row:
                now[cpu][name][1 - parity] = before[cpu][name][1 - parity]
            was_there = cpu in online & were_online and now[cpu]["left"] == before[cpu]["left"]
            offline_ns = 0 if was_there else max(0, ts - self._since - sum(row.values()))
            rows.append(
                {"ts": ts, "cpu": cpu, **self._less_stolen(cpu, row, stat, ts - self._since), "offline_ns": offline_ns}
            )
        self._times, self._online, self._since, self._stat = now, online, ts, stat
        return rows

    def _less_stolen(
        self, cpu: int, row: dict[str, int], stat: Mapping[int, tuple[int, ...]], interval_ns: int
    ) -> dict[str, int]:
        """Subtracts stolen time, which is not the CPU's: from its busy time, and the rest from its idle time.

        A CPU that went offline before the programs saw it has been idle for longer than the interval.
        """
        row["idle_ns"] = min(row["idle_ns"], max(0, interval_ns - row["busy_ns"]))
        if cpu not in stat or cpu not in self._stat:  # an offline CPU has no line
            return row
        irq, softirq, steal = (max(0, now - before) for now, before in zip(stat[cpu], self._stat[cpu], strict=True))
        stolen = self._stolen.get(cpu, 0) + steal
        of_busy = min(stolen, row["busy_ns"])
        of_idle = min(stolen - of_busy, row["idle_ns"])
        self._stolen[cpu] = stolen - of_busy - of_idle
        return {
            "idle_ns": row["idle_ns"] - of_idle,
            "busy_ns": row["busy_ns"] - of_busy,
            "stolen_ns": of_busy + of_idle,
            "interrupt_ns": irq + softirq,
        }

    def _read_times(self) -> np.ndarray[Any, np.dtype[np.void]]:
        raw = bpf_maps.lookup(self._fd, bytes(4), CPU_TIME.dtype.itemsize * self._cpus)
        return np.frombuffer(raw, CPU_TIME.dtype).copy()

    def row(self, ts: int) -> dict[str, Any]:
        """The row of `machine`."""
        before, self._stalled = self._stalled, _stalled_ns()
        stalled = {name: ns - before[name] for name, ns in self._stalled.items() if name in before}
        return {"ts": ts, **_memory(), **stalled}


def _memory() -> dict[str, int]:
    with open("/proc/meminfo", "rb") as f:
        lines = dict(line.split(b":", 1) for line in f)
    return {column: int(lines[name].split()[0]) << 10 for column, name in MEMINFO.items() if name in lines}


def _stat_ns() -> dict[int, tuple[int, ...]]:
    """For each online CPU: totals since boot of STAT_COLUMNS."""
    found = {}
    with open("/proc/stat", "rb") as f:
        for line in f:
            name, *words = line.split()
            if name.startswith(b"cpu") and name != b"cpu":
                found[int(name[3:])] = tuple(int(words[i]) * TICK_NS for i in STAT_COLUMNS)
    return found


def _stalled_ns() -> dict[str, int]:
    """Column → total since boot. Without PSI, in the kernel or enabled, the file or line is missing."""
    found = {}
    for resource in PRESSURES:
        try:
            with open(f"/proc/pressure/{resource}", "rb") as f:
                text = f.read()
        except OSError:  # EOPNOTSUPP: switched off
            continue
        for extent, us in _STALLED.findall(text):
            found[f"{resource}_{extent.decode()}_ns"] = int(us) * 1000
    found.pop("cpu_full_ns", None)  # not defined for the whole machine, and zero
    return found
