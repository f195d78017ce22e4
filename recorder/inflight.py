"""System calls that an end of the recording cuts.

A thread that sleeps in a call when the recording begins is put into the programs' map of parked calls, as having
entered at the beginning: when the call returns, it is known to be one of these. What is left there at the end, and
what the CPUs are in, has not returned.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from bpf.kind import ring_layouts
from bpf.syscalls import SYSCALL_INFLIGHT
from recorder import kernel, procfs
from recorder.counters import ZERO_KEY
from recorder.loader import Loaded

_CALL = struct.Struct("<QQ")  # struct call of bpf/syscalls.bpf.c: entered, nr
_TID = struct.Struct("<I")
_CPU = np.dtype(  # struct cpu_state of bpf/common.bpf.h
    [("caller", "<u8"), ("entered", "<u8"), ("known", "<u8"), ("start", "<u8"), ("charged", "<u8"),
     ("switches", "<u4"), ("nr", "<u2"), ("wanted", "<u2")]
)  # fmt: skip


def mark_blocked(loaded: Loaded, t0: int, pids: Iterable[int]) -> None:
    """Tells the programs of the calls that threads are in. A thread that they have seen already is left alone."""
    for tid, number in procfs.blocked_calls(pids):
        with contextlib.suppress(OSError):  # seen already, or more threads than the map holds
            kernel.update(loaded.maps["parked"], _TID.pack(tid), _CALL.pack(t0, number), kernel.NOEXIST)


def unfinished(loaded: Loaded, t0: int, end: int, cpus: int) -> tuple[npt.NDArray[np.void], npt.NDArray[np.bool_]]:
    """Records of SYSCALL_INFLIGHT for the calls that had not returned at the end, and which began before `t0`.

    To be called when nothing is recorded any more. A thread that has ended since is left out.
    """
    calls = _parked(loaded) | _on_cpus(loaded, cpus)
    layout = ring_layouts(SYSCALL_INFLIGHT)[0]
    records = np.zeros(len(calls), layout.dtype)
    known = np.zeros(len(calls), bool)
    for i, (tid, (entered, number)) in enumerate(sorted(calls.items())):
        pid = procfs.process_of_thread(tid)
        process = pid and procfs.process(pid)
        if not process:
            continue
        known[i] = True
        comm = procfs.thread_comm(tid) or process.comm
        began = max(entered, t0)
        records[i] = tuple(
            {
                "ts": end,
                "start": process.start,
                "elapsed_ns": max(0, end - began),
                "pid": pid,
                "tid": tid,
                "nr": number,
                "comm": comm,
            }.get(f.name, b"")
            for f in layout.fields
        )
    began_before = np.array([entered <= t0 for _tid, (entered, _nr) in sorted(calls.items())], bool)
    return records[known], began_before[known]


def _parked(loaded: Loaded) -> dict[int, tuple[int, int]]:
    found = {}
    for key in kernel.keys(loaded.maps["parked"], 4):
        with contextlib.suppress(FileNotFoundError):
            entered, number = _CALL.unpack(kernel.lookup(loaded.maps["parked"], key, _CALL.size))
            if entered:
                found[_TID.unpack(key)[0]] = (entered, number)
    return found


def _on_cpus(loaded: Loaded, cpus: int) -> dict[int, tuple[int, int]]:
    raw = kernel.lookup(loaded.maps["cpu_states"], ZERO_KEY, _CPU.itemsize * cpus)
    states = np.frombuffer(raw, _CPU)
    return {int(s["caller"]) & 0xFFFFFFFF: (int(s["entered"]), int(s["nr"])) for s in states if s["caller"]}
