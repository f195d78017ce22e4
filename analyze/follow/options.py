"""How a trace is followed, and what paces it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysmon.bpf.trace_file.metadata import RUNNING

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

STEP_S = 0.1
"""How much is shown at once of a trace that is followed as fast as it happened, or some times as fast [s]."""

LOOK_S = 0.05
"""How often to look at a recording that still runs [s]: it takes less than a millisecond if nothing came."""


@dataclass(frozen=True)
class Options:
    """`form`: 'text' or 'json'. `every_ns`: how long an interval is at least; 0: from snapshot to snapshot.

    `top`: processes of an interval. `count`: intervals or lines, then it ends; None: all. `speed`: how many times as
    fast as it happened; None: as fast as can be.
    """

    form: str = "text"
    every_ns: int = 0
    top: int = 5
    count: int | None = None
    speed: float | None = None


class Pace:
    """Waits until it is time to show what happened at an instant."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._began: tuple[float, int] | None = None

    @property
    def step_ns(self) -> int | None:
        """What happens within it may be shown at once [ns]; None: all."""
        return max(1, int(STEP_S * 1e9 * self._speed / 2)) if self._speed else None

    def wait(self, ns: int) -> None:
        """Until the instant [ns since 1970]; the first one has come at once."""
        if not self._speed:
            return
        if self._began is None:
            self._began = time.monotonic(), ns
        began, first = self._began
        time.sleep(max(0.0, began + (ns - first) / 1e9 / self._speed - time.monotonic()))


def grows(trace: Trace) -> bool:
    """Whether it is still being recorded."""
    return trace.metadata["stopped_by"] == RUNNING


def pause() -> None:
    """Until the next look."""
    time.sleep(LOOK_S)
