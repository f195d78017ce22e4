"""Where the time of all threads went, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

BY_STATE = (
    "SELECT COALESCE(state, 'unknown') AS state, SUM(ns) / 1e9 AS total_s FROM main.thread_time "
    "GROUP BY state ORDER BY total_s DESC NULLS LAST, state"
)

AT_REST = ("child", "poll", "event", "device", "sleep", "idle", "stopped", "other", "unknown")
"""States in which a thread is that has nothing to do. It may also be in 'lock', 'network' or 'pipe'."""

NAMED = 3
"""States that are named, besides 'running': those with the most time."""


def line(trace: Trace) -> str:
    """Such as '4.25 s running, 12.1 s disk, 0.30 s runnable; 96 s at rest'; empty if that was not recorded."""
    times = {state: s for state, s in trace.own(BY_STATE).fetchall() if s is not None}
    if not times:
        return ""
    running = times.pop("running", 0.0)
    held_up = [(state, s) for state, s in times.items() if state not in AT_REST and s >= 0.005]
    told = [f"{_seconds(s)} {state}" for state, s in [("running", running), *held_up[:NAMED]]]
    rest = sum(s for state, s in times.items() if state in AT_REST)
    return f"{', '.join(told)}; {_seconds(rest)} at rest"


def _seconds(s: float) -> str:
    return f"{s:,.2f} s" if s < 10 else f"{s:,.0f} s"
