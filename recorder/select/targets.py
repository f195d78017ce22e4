"""The chosen processes of a recording: which are alive, and whether any are left."""

from __future__ import annotations

from sysmon.recorder.load import bpf_maps
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.read.counters import ZERO_KEY
from sysmon.recorder.read.strings import escape
from sysmon.recorder.sample import procfs
from sysmon.recorder.select.command import Command
from sysmon.recorder.select.filters import Filters

WAITS_S = 2.0
"""How long after the command's end the user is told who else is being waited for."""


class Targets:
    """The targets of these filters, and of a followed command if there is one."""

    def __init__(self, filters: Filters, loaded: Loaded, command: Command | None) -> None:
        self._filters, self._loaded, self._command = filters, loaded, command
        self._waits_since: float | None = None  # time since the command ended; infinite once the user was told

    def count(self) -> bytes:
        """How many of them are alive, by the programs' count."""
        return bpf_maps.lookup(self._loaded.maps["alive"], ZERO_KEY, 8)

    def pids(self) -> list[int] | None:
        """Those alive now; None: all processes."""
        if not self._filters.flags:
            return None
        return self._listed() if self._filters.children else self._filters.alive()

    def _listed(self) -> list[int]:
        return [int.from_bytes(key, "little") for key in bpf_maps.keys(self._loaded.maps["followed"], 4)]

    def nobody_left(self) -> bool:
        """Whether all targets have ended; of all processes, the command."""
        if self._command and not self._filters.flags:
            return self._command.status() is not None
        return bool(self._filters.by_pid or self._command) and self.count() == bytes(8)

    def chosen_are_gone(self) -> bool:
        """Whether all chosen processes have ended, including those that did before the recording began."""
        return self._filters.by_pid and not any(map(procfs.lives, self._listed()))

    def who_is_left(self, now: float) -> list[tuple[int, str]]:
        """Pid and name of processes that outlive the command: returned once, some time after its end."""
        if self._command is None or not self._filters.flags or self._command.status() is None:
            return []
        if self._waits_since is None:
            self._waits_since = now
        if now - self._waits_since < WAITS_S:
            return []
        self._waits_since = float("inf")
        left = (procfs.process(pid) for pid in self.pids() or () if procfs.lives(pid))
        return [(process.pid, escape(process.comm)) for process in left if process]
