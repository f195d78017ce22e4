"""Requests to disks that are in flight, from the programs' map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sysmon.bpf import nulls
from sysmon.bpf.kinds import block
from sysmon.bpf.programs.structs import BLOCK_REQUEST
from sysmon.recorder.load import bpf_maps
from sysmon.recorder.load.loader import Loaded

FLUSH = block.OPERATIONS.index("flush")

SAME = ["pid", "start", "disk_device", "operation", "submitted_by"]
"""What the requests of a row have in common."""


class Requests:
    """Makes the rows of `block_inflight`."""

    def __init__(self, loaded: Loaded, buffers: bpf_maps.Buffers) -> None:
        self._fd = loaded.maps.get("block_requests")
        self._drainer = bpf_maps.Drainer(8, BLOCK_REQUEST.dtype.itemsize, 1, buffers=buffers)

    def rows(self, ts: int, in_flight: dict[int, int]) -> list[dict[str, Any]]:
        """A row for those of each process, disk and operation. `ts` is CLOCK_BOOTTIME ns.

        `in_flight`: how many the kernel has, by disk.
        """
        if self._fd is None:
            return []
        pieces = [np.frombuffer(values, BLOCK_REQUEST.dtype).copy() for _keys, values in self._drainer.look(self._fd)]
        return list(_rows(_there(np.concatenate(pieces), in_flight), ts))


def _there(found: npt.NDArray[np.void], in_flight: dict[int, int]) -> npt.NDArray[np.void]:
    """Those that the kernel has too.

    If it has fewer, programs missed the end of the others: of the oldest, as the address of a request is used again.
    """
    kept = [found[found["operation"] == FLUSH]]
    found = found[found["operation"] != FLUSH]
    for disk in np.unique(found["disk_device"]):
        mine = np.sort(found[found["disk_device"] == disk], order="made")
        most = in_flight.get(int(disk), 0)
        kept.append(mine[max(0, len(mine) - most) :])
    return np.concatenate(kept)


def _rows(found: npt.NDArray[np.void], ts: int) -> Iterator[dict[str, Any]]:
    groups, group_of = np.unique(found[SAME], return_inverse=True)
    for i, group in enumerate(groups):
        mine = found[group_of == i]
        made = mine["made"][mine["made"] > 0]
        known = group["pid"] != nulls.NO_PROCESS_PID
        yield {
            "ts": ts,
            "pid": int(group["pid"]) if known else None,
            "start": int(group["start"]) if known else None,
            "disk_device": int(group["disk_device"]) or None,
            "operation": _name(block.OPERATIONS, group["operation"]),
            "submitted_by": _name(block.SUBMITTERS, group["submitted_by"]),
            "requests_in_flight": len(mine),
            "requests_in_queue": int(np.count_nonzero(mine["issued"] == 0)),
            "oldest_ns": max(0, ts - int(made.min())) if len(made) else None,
        }


def _name(names: tuple[str, ...], number: int) -> str | None:
    return names[number] if number < len(names) else None
