"""Where the time of all threads went, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

BY_STATE = (
    "SELECT COALESCE(state, 'unknown') AS state, SUM(ns) / 1e9 AS total_s, "
    "COALESCE(SUM(ns) FILTER (WHERE is_throughout), 0) / 1e9 AS throughout_s FROM main.thread_time "
    "GROUP BY state ORDER BY total_s DESC NULLS LAST, state"
)

AT_REST = ("child", "poll", "event", "device", "sleep", "idle", "stopped", "other", "unknown")
"""States in which a thread is that has nothing to do. It may also be in one of OFTEN_RESTING, as idle
threads of a pool are: there it rests if that is one wait through all of the window.
"""

OFTEN_RESTING = ("lock", "network", "pipe")
"""States in which a thread may just have nothing to do."""

NAMED = 3
"""States that are named, besides 'running': those with the most time."""


def line(trace: Trace) -> str:
    """Such as '4.25 s running, 12.1 s disk, 0.30 s runnable; 96 s at rest'; empty if that was not recorded."""
    times, rest = {}, 0.0
    for state, total_s, throughout_s in trace.own(BY_STATE).fetchall():
        if total_s is not None:
            rested = total_s if state in AT_REST else throughout_s if state in OFTEN_RESTING else 0.0
            times[state] = total_s - rested
            rest += rested
    if not times:
        return ""
    running = times.pop("running", 0.0)
    held_up = sorted(((state, s) for state, s in times.items() if s >= 0.005), key=lambda one: (-one[1], one[0]))
    told = [f"{_seconds(s)} {state}" for state, s in [("running", running), *held_up[:NAMED]]]
    return f"{', '.join(told)}; {_seconds(rest)} at rest"


def _seconds(s: float) -> str:
    return f"{s:,.2f} s" if s < 10 else f"{s:,.0f} s"
