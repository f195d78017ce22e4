"""Who is recorded of those that were chosen, and whether anybody of them is left."""

from __future__ import annotations

from sysmon.recorder.load import kernel
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.read.counters import ZERO_KEY
from sysmon.recorder.read.decode import escape
from sysmon.recorder.sample import procfs
from sysmon.recorder.select.filters import Filters
from sysmon.recorder.select.follow import Command

WAITS_S = 2.0
"""So long after the end of the command it is said who else is waited for."""


class Followed:
    """Of a recording with these filters, which follows a command or none."""

    def __init__(self, filters: Filters, loaded: Loaded, command: Command | None) -> None:
        self._filters, self._loaded, self._command = filters, loaded, command
        self._waits_since: float | None = None  # for others than the command; infinite once that is said

    def count(self) -> bytes:
        """How many of them live, as the kernel's programs have it."""
        return kernel.lookup(self._loaded.maps["alive"], ZERO_KEY, 8)

    def pids(self) -> list[int] | None:
        """Those that are alive now; None: all processes."""
        if not self._filters.flags:
            return None
        return self._listed() if self._filters.children else self._filters.alive()

    def _listed(self) -> list[int]:
        return [int.from_bytes(key, "little") for key in kernel.keys(self._loaded.maps["followed"], 4)]

    def nobody_left(self) -> bool:
        """Whether all that was to be followed has ended."""
        return bool(self._filters.by_pid or self._command) and self.count() == bytes(8)

    def chosen_are_gone(self) -> bool:
        """Whether all chosen processes have ended, one that did so before the recording began included."""
        return self._filters.by_pid and not any(map(procfs.lives, self._listed()))

    def who_is_left(self, now: float) -> list[tuple[int, str]]:
        """By pid and name, if the command has ended and what it started has not: once, some time after that."""
        if self._command is None or self._command.status() is None:
            return []
        if self._waits_since is None:
            self._waits_since = now
        if now - self._waits_since < WAITS_S:
            return []
        self._waits_since = float("inf")
        left = (procfs.process(pid) for pid in self.pids() or () if procfs.lives(pid))
        return [(process.pid, escape(process.comm)) for process in left if process]
