"""Which processes there are: as the kernel's task iterator has them or, where it cannot be asked, /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator

from sysmon.bpf.kind import TICK_NS
from sysmon.recorder.sample import procfs
from sysmon.recorder.sample.tasks import Tasks


class Standing:
    """Without `tasks` starts are known to the tick only."""

    def __init__(self, tasks: Tasks | None) -> None:
        self._tasks = tasks

    def pids(self) -> frozenset[int]:
        """Those that there are now, if their starts do not say which of them were there at a time."""
        return frozenset(() if self._tasks else procfs.pids())

    def now(self, chosen: list[int] | None) -> Iterator[procfs.Process]:
        """The processes that there are now, all or the chosen ones."""
        return self._tasks.standing(chosen) if self._tasks else procfs.processes(chosen)

    def since(
        self, ts: int, chosen: list[int] | None, before: frozenset[int] = frozenset()
    ) -> Iterator[procfs.Process]:
        """Those that were there at that time [ns, CLOCK_BOOTTIME]: of the others a fork is in the trace.

        Where starts are known to the tick only, one that began in that tick counts if it is one of `before`.
        """
        latest = ts if self._tasks else ts - TICK_NS
        return (process for process in self.now(chosen) if process.start <= latest or process.pid in before)

    def own_start(self) -> int:
        """When this process began, as rows have it; 0 if it is not there."""
        own = next(self.now([os.getpid()]), None)
        return own.start if own else 0
