"""System calls in flight at the start or the end of the recording.

A thread that sleeps in a call when the recording begins is entered into the programs' map of parked calls, with the
start of the recording as its entry time: so its return is recognized. What is left there at the end, and the calls that
CPUs are in, have not returned.
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
from sysmon.bpf.programs.structs import CALL, CPU_STATE, OUTSIDE, REACHED_DATAGRAMS, packed
from sysmon.recorder.load import bpf_maps
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.read.counters import ZERO_KEY
from sysmon.recorder.sample import procfs

_TID = struct.Struct("<I")


@dataclass(frozen=True)
class _Call:
    entered: int
    start: int
    nr: int
    pid: int


def mark_blocked(loaded: Loaded, t0: int, processes: Iterable[dict[str, Any]]) -> None:
    """Tells the programs which calls threads are in. Threads that they have already seen are skipped.

    `processes` are rows of the kind `process`.
    """
    for process in processes:
        if process["kernel_thread"]:
            continue
        for tid, number in procfs.blocked_calls(process["pid"]):
            call = packed(CALL, entered=t0, start=process["start"], nr=number, pid=process["pid"])
            with contextlib.suppress(OSError):  # seen already, or the map is full
                bpf_maps.update(loaded.maps["parked"], _TID.pack(tid), call, bpf_maps.NOEXIST)


def mark_outside(loaded: Loaded, process: int) -> None:
    """Tells the programs that the call this process is in is not part of the recording."""
    with contextlib.suppress(OSError):  # the map is full
        bpf_maps.update(loaded.maps["parked"], _TID.pack(process), packed(CALL, entered=OUTSIDE, pid=process))


def unfinished(loaded: Loaded, t0: int, end: int, cpus: int) -> tuple[npt.NDArray[np.void], npt.NDArray[np.bool_]]:
    """Records of SYSCALL_INFLIGHT for the calls that had not returned at the end, and a mask of those begun before
    `t0`.

    Call it when nothing is recorded any more. The name of a thread that has ended since is empty.
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
    for key in bpf_maps.keys(loaded.maps["parked"], 4):
        with contextlib.suppress(FileNotFoundError):
            raw = bpf_maps.lookup(loaded.maps["parked"], key, CALL.dtype.itemsize)
            (call,) = np.frombuffer(raw, CALL.dtype)
            if call["entered"] not in (0, OUTSIDE):
                found[_TID.unpack(key)[0]] = _call(call, int(call["pid"]) & ~REACHED_DATAGRAMS)
    return found


def _on_cpus(loaded: Loaded, cpus: int) -> dict[int, _Call]:
    raw = bpf_maps.lookup(loaded.maps["cpu_states"], ZERO_KEY, CPU_STATE.dtype.itemsize * cpus)
    return {
        int(state["caller"]) & 0xFFFFFFFF: _call(state, int(state["caller"]) >> 32)
        for state in np.frombuffer(raw, CPU_STATE.dtype)
        if state["caller"] and state["entered"] != OUTSIDE
    }


def _call(found: np.void, pid: int) -> _Call:
    return _Call(int(found["entered"]), int(found["start"]), int(found["nr"]), pid)
