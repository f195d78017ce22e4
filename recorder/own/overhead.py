"""The cost of recording: the programs' run time, sampled, and the recorder's own."""

from __future__ import annotations

import resource
from typing import Any, Protocol

from sysmon.recorder.load import bpf_programs
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.own.run_time import Stats
from sysmon.recorder.sample import clock, procfs
from sysmon.recorder.sample.pss import Pss

SAMPLE_EVERY_NS = 5_000_000_000
"""How often the programs' run time is measured."""

SAMPLE_NS = 50_000_000
"""How long each measurement takes. It adds two clock reads to each run of a program, so it is on 1 % of the time."""


class HasChild(Protocol):
    """What a child process works for."""

    def cpu_ns(self) -> int:
        """CPU time of the child."""


class Overhead:
    """Measures in windows that `tick` opens and closes. Makes rows of the kind `overhead`, with `ts` in CLOCK_BOOTTIME
    ns.
    """

    def __init__(self, loaded: Loaded, stats: Stats, pss: Pss, other: HasChild | None = None) -> None:
        self._loaded, self._stats, self._pss, self._other = loaded, stats, pss, other
        self._window: tuple[int, dict[str, bpf_programs.ProgramStats]] | None = None
        self._next = clock.boottime_ns() + SAMPLE_NS
        self._own_since = clock.boottime_ns()
        self._own_ns = self._cpu_ns()

    def tick(self) -> list[dict[str, Any]]:
        """Opens or closes a window when due. Returns the rows of a window that closed."""
        now = clock.boottime_ns()
        if self._window is None:
            if now >= self._next:
                self._next = now + SAMPLE_EVERY_NS
                self._open(now)
            return []
        return self._close(now) if now - self._window[0] >= SAMPLE_NS else []

    def _open(self, now: int) -> None:
        if self._stats.on():  # otherwise the trace has no rows of the programs
            self._window = (now, self._programs())

    def _programs(self) -> dict[str, bpf_programs.ProgramStats]:
        # The kernel counts a run at its entry into BPF: a tail call counts for the program that made it.
        tail_called = {hook.program for hook in self._loaded.hooks.values()}
        return {name: bpf_programs.stats(fd) for name, fd in self._loaded.programs.items() if name not in tail_called}

    def _close(self, now: int) -> list[dict[str, Any]]:
        assert self._window
        opened, before = self._window
        after = self._programs()
        self._stats.off()
        self._window = None
        return [
            {
                "ts": now,
                "part": name,
                "window_ns": now - opened,
                "runs": after[name].runs - before[name].runs,
                "run_ns": after[name].run_ns - before[name].run_ns,
            }
            for name in after
        ]

    def recorder(self) -> dict[str, Any]:
        """The recorder's own row: its CPU time since the previous one, and its memory now."""
        now, used = clock.boottime_ns(), self._cpu_ns()
        row = {
            "ts": now,
            "part": "recorder",
            "window_ns": now - self._own_since,
            "run_ns": used - self._own_ns,
            "rss_bytes": procfs.rss_bytes(),
            "longest_reading_ns": self._pss.longest_ns(),
        }
        self._own_since, self._own_ns = now, used
        return row

    def close(self) -> list[dict[str, Any]]:
        """Closes a window that is open."""
        return self._close(clock.boottime_ns()) if self._window else []

    def _cpu_ns(self) -> int:
        """CPU time of the recorder and of its child processes."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        of_children = self._stats.cpu_ns() + self._pss.cpu_ns() + (self._other.cpu_ns() if self._other else 0)
        return int((used.ru_utime + used.ru_stime) * 1e9) + of_children
