"""The live processes: from the kernel's task iterator or, where it is not available, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator

from sysmon.bpf.kind import TICK_NS
from sysmon.recorder.sample import procfs
from sysmon.recorder.sample.tasks import Tasks


class LiveProcesses:
    """Without `tasks` start times are known to the tick only."""

    def __init__(self, tasks: Tasks | None) -> None:
        self._tasks = tasks

    def pids(self) -> frozenset[int]:
        """Pids alive now, needed later only if start times cannot tell who was alive at a given time; else empty."""
        return frozenset(() if self._tasks else procfs.pids())

    def now(self, chosen: list[int] | None) -> Iterator[procfs.Process]:
        """The processes alive now, all or the chosen ones."""
        return self._tasks.processes(chosen) if self._tasks else procfs.processes(chosen)

    def since(
        self, ts: int, chosen: list[int] | None, before: frozenset[int] = frozenset()
    ) -> Iterator[procfs.Process]:
        """Processes that were alive at that time [ns, CLOCK_BOOTTIME]; for the others the trace has a fork.

        Where start times are known to the tick only, a process that began in that tick counts if it is one of `before`.
        """
        latest = ts if self._tasks else ts - TICK_NS
        return (process for process in self.now(chosen) if process.start <= latest or process.pid in before)

    def own_start(self) -> int:
        """Start time of this process, as rows have it; 0 if unknown."""
        own = next(self.now([os.getpid()]), None)
        return own.start if own else 0
