"""What was lost since the recording began, by cause and place; and how full the counting maps are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from sysmon.bpf.kinds import throttle
from sysmon.bpf.programs import csource
from sysmon.bpf.trace_file import metadata
from sysmon.recorder.load import bpf_programs
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.read.counters import TotalsMap


class Losses:
    """Sums what the programs count as lost and what the kernel reports as skipped."""

    def __init__(self, loaded: Loaded, cpus: int) -> None:
        self._loaded = loaded
        self._totals = TotalsMap(loaded, cpus)
        self._last = self._totals.read()
        self._missed: dict[str, int] = {}
        self._skipped: dict[str, int] = {}
        self._noted: Counter[tuple[str, str]] = Counter()  # by the recorder itself, since the last call of `rows`
        self._lost: dict[tuple[str, str], int] = {}
        self._before: dict[tuple[str, str], int] = {}  # before this file

    @property
    def total(self) -> int:
        """Everything lost up to the last call of `rows`, except what was throttled."""
        return sum(n for (cause, _place), n in self._lost.items() if cause != throttle.CAUSE)

    def cells(self) -> npt.NDArray[np.uint64]:
        """Entries created in each kind's maps since the last call of `rows`."""
        return self._totals.cells() - self._last.cells

    def begin(self) -> None:
        """Ignores what programs missed so far, while they were attached one after the other."""
        self.note_misses()
        self._skipped = self._totals.read().skipped(self._missed)

    def note_misses(self) -> None:
        """Reads the programs' misses: some time before `rows`, so that what a copy is about to recover does not count
        as lost.

        So an interval may report too few, which the last one makes up for. Both are read while all programs are
        attached.
        """
        self._missed = _misses(self._loaded)

    def note(self, cause: str, place: str) -> None:
        """Counts one more that the recorder itself did not take."""
        self._noted[cause, place] += 1

    def rows(self, ts: int) -> list[dict[str, Any]]:
        """Rows of the kind `loss` for what was lost since the last call. `ts` is CLOCK_BOOTTIME ns."""
        now = self._totals.read()
        skipped = {name: max(n, self._skipped[name]) for name, n in now.skipped(self._missed).items()}
        lost = {
            row: int(n - before)
            for row, n, before in zip(csource.losses().values(), now.lost, self._last.lost, strict=True)
        }
        lost |= {("recursion", name): skipped[name] - self._skipped[name] for name in skipped}
        lost |= self._noted
        self._noted.clear()
        self._last, self._skipped = now, skipped
        lost = {where: n for where, n in lost.items() if n}
        for where, n in lost.items():
            self._lost[where] = self._lost.get(where, 0) + n
        return [{"ts": ts, "cause": cause, "place": place, "lost": n} for (cause, place), n in lost.items()]

    def begin_file(self) -> None:
        """Starts a new file: earlier losses are in another file's metadata."""
        self._before = dict(self._lost)

    def sums(self) -> list[metadata.Loss]:
        """The losses of this file (of the whole recording, if it is one file), for the metadata."""
        lost = {where: n - self._before.get(where, 0) for where, n in self._lost.items()}
        return [metadata.Loss(cause=cause, place=place, lost=n) for (cause, place), n in lost.items() if n]


def _misses(loaded: Loaded) -> dict[str, int]:
    """Runs of each program that the kernel skipped since loading, as the program was already running on that CPU
    (5.12).
    """
    return {name: bpf_programs.stats(fd).recursion_misses for name, fd in loaded.programs.items()}
