"""System calls that an end of the recording cuts.

A thread that sleeps in a call when the recording begins is put into the programs' map of parked calls, as having
entered at the beginning: when the call returns, it is known to be one of these. What is left there at the end, and
what the CPUs are in, has not returned.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sysmon.bpf.kind import ring_layouts
from sysmon.bpf.kinds.syscalls import SYSCALL_INFLIGHT
from sysmon.recorder.load import kernel
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.read.counters import ZERO_KEY
from sysmon.recorder.sample import procfs

_CALL = struct.Struct("<QQII48x")  # struct call of syscalls.bpf.c: entered, start, nr, pid; never off a CPU
_OUTSIDE = (1 << 64) - 1
"""When a call entered that began before its process met the conditions."""

_PID = (1 << 31) - 1  # the bit above is REACHED_DATAGRAMS

_TID = struct.Struct("<I")
CPU_STATE = np.dtype(  # struct cpu_state of bpf/programs/common.bpf.h
    [("caller", "<u8"), ("entered", "<u8"), ("known", "<u8"), ("start", "<u8"), ("charged", "<u8"),
     ("mark", "<u8"), ("switches", "<u4"), ("known_at", "<u4"), ("nr", "<u2"), ("wanted", "<u2"), ("uid", "<u4"),
     ("change", "<u8"), ("renamed", "<u8"), ("leaving", "<u8"), ("came", "<u8"), ("message", "<u8")]
)  # fmt: skip


@dataclass(frozen=True)
class _Call:
    entered: int
    start: int
    nr: int
    pid: int


def mark_blocked(loaded: Loaded, t0: int, processes: Iterable[dict[str, Any]]) -> None:
    """Tells the programs of the calls that threads are in. A thread that they have seen already is left alone.

    `processes` are rows of the kind `process`.
    """
    for process in processes:
        if process["kernel_thread"]:
            continue
        for tid, number in procfs.blocked_calls(process["pid"]):
            call = _CALL.pack(t0, process["start"], number, process["pid"])
            with contextlib.suppress(OSError):  # seen already, or more threads than the map holds
                kernel.update(loaded.maps["parked"], _TID.pack(tid), call, kernel.NOEXIST)


def mark_outside(loaded: Loaded, process: int) -> None:
    """Tells the programs that the call that this process is in is no part of the recording."""
    with contextlib.suppress(OSError):  # more threads than the map holds
        kernel.update(loaded.maps["parked"], _TID.pack(process), _CALL.pack(_OUTSIDE, 0, 0, process))


def unfinished(loaded: Loaded, t0: int, end: int, cpus: int) -> tuple[npt.NDArray[np.void], npt.NDArray[np.bool_]]:
    """Records of SYSCALL_INFLIGHT for the calls that had not returned at the end, and which began before `t0`.

    To be called when nothing is recorded any more. The name of a thread that has ended since is empty.
    """
    calls = sorted((_parked(loaded) | _on_cpus(loaded, cpus)).items())
    layout = ring_layouts(SYSCALL_INFLIGHT)[0]
    records = np.zeros(len(calls), layout.dtype)
    records["ts"] = end
    for i, (tid, call) in enumerate(calls):
        record = records[i]
        record["tid"], record["pid"], record["start"], record["nr"] = tid, call.pid, call.start, call.nr
        record["elapsed_ns"] = max(0, end - max(call.entered, t0))
        record["comm"] = procfs.thread_comm(tid) or b""
    return records, np.array([call.entered <= t0 for _tid, call in calls], bool)


def _parked(loaded: Loaded) -> dict[int, _Call]:
    found = {}
    for key in kernel.keys(loaded.maps["parked"], 4):
        with contextlib.suppress(FileNotFoundError):
            entered, start, nr, pid = _CALL.unpack(kernel.lookup(loaded.maps["parked"], key, _CALL.size))
            if entered not in (0, _OUTSIDE):
                found[_TID.unpack(key)[0]] = _Call(entered, start, nr, pid & _PID)
    return found


def _on_cpus(loaded: Loaded, cpus: int) -> dict[int, _Call]:
    raw = kernel.lookup(loaded.maps["cpu_states"], ZERO_KEY, CPU_STATE.itemsize * cpus)
    return {
        int(s["caller"]) & 0xFFFFFFFF: _Call(int(s["entered"]), int(s["start"]), int(s["nr"]), int(s["caller"]) >> 32)
        for s in np.frombuffer(raw, CPU_STATE)
        if s["caller"] and s["entered"] != _OUTSIDE
    }
