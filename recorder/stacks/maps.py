"""Reads the stacks that the programs keep (bpf/programs/stacks.bpf.h), of one epoch at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sysmon.bpf.programs import csource, structs
from sysmon.recorder.load import bpf_maps
from sysmon.recorder.load.loader import Loaded

_KEPT = structs.KEPT_STACK.dtype

Process = tuple[int, int]
"""pid and start."""

Addresses = tuple[int, ...]
"""Of one stack, innermost first."""


class StackMaps:
    """The two maps of stacks."""

    def __init__(self, loaded: Loaded) -> None:
        odd, even = (loaded.maps[name] for name in csource.STACK_MAPS)
        self._fds = (even, odd)
        self._drainer = bpf_maps.Drainer(8, _KEPT.itemsize, 1, batch=512)
        self._seen = np.zeros(0, "<u8")  # by `new`, in this epoch

    def drain(self, epoch: int) -> dict[int, bytes]:
        """The stacks of an epoch that has ended, by hash, as `addresses` takes them. Empties their map."""
        self._seen = self._seen[:0]
        found: dict[int, bytes] = {}
        for keys, values in self._drainer.drain(self._fds[epoch & 1]):
            stacks = np.frombuffer(values, _KEPT)
            found.update(zip(np.frombuffer(keys, "<u8").tolist(), _kept_of(stacks), strict=True))
        return found

    def new(self, epoch: int) -> Iterator[tuple[Process, bytes]]:
        """The stacks of this epoch that were not there at the last call, each with the first process that had it."""
        for keys, values in self._drainer.look(self._fds[epoch & 1]):
            names, stacks = np.frombuffer(keys, "<u8"), np.frombuffer(values, _KEPT)
            is_new = ~np.isin(names, self._seen)
            self._seen = np.concatenate([self._seen, names[is_new]])
            new = stacks[is_new]
            yield from zip(zip(new["pid"].tolist(), new["start"].tolist(), strict=True), _kept_of(new), strict=True)


def _kept_of(stacks: npt.NDArray[np.void]) -> list[bytes]:
    """The addresses of each stack, without the unused rest of its array."""
    whole, width = stacks["at"].tobytes(), _KEPT["at"].itemsize
    ends = (np.arange(len(stacks)) * width + stacks["depth"] * np.int64(8)).tolist()
    return [whole[place * width : end] for place, end in enumerate(ends)]


def is_of_kernel(kept: bytes) -> bool:
    """Whether a stack is one in the kernel, which has the upper half of all addresses."""
    return kept[7] >> 7 == 1


def addresses(kept: bytes) -> Addresses:
    """The addresses of a stack. Those of callers are of the call: they return to the instruction after it."""
    first, *callers = memoryview(kept).cast("Q").tolist()
    return (first, *(address - 1 for address in callers if address))
