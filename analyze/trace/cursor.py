"""An instant of a trace, and the window that ends there: where a screen is, live or in replay.

What is counted is known per snapshot only, so the window begins and ends at snapshots. Events are known to the
nanosecond: `events` is the same window cut at the instant itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sysmon.analyze.trace.trace import Trace
from sysmon.bpf.trace_file.metadata import RUNNING

SNAPSHOTS = "SELECT DISTINCT EPOCH_NS(ts) AS ns FROM unfiltered.clocks WHERE ts IS NOT NULL ORDER BY ns"


@dataclass(frozen=True)
class Window:
    """After one instant, up to and with another [UTC ns since 1970]: what a snapshot reads is in its interval."""

    since_ns: int
    until_ns: int

    @property
    def seconds(self) -> float:
        """Its length [s]."""
        return (self.until_ns - self.since_ns) / 1e9


@dataclass
class Position:
    """An instant, and a window of at least `width_ns` up to the snapshot that has it; 0: a single interval.

    `edges` are the beginning of the trace and its snapshots [UTC ns], two at least; `last_ns` is the last instant that
    it has, `goes_on` whether it is still recorded. While it `follows`, it goes with the end of the trace.
    """

    edges: npt.NDArray[np.int64]
    last_ns: int
    goes_on: bool = False
    at_ns: int = 0
    width_ns: int = 0
    follows: bool = True

    def __post_init__(self) -> None:
        self.grow(self.edges, self.last_ns, goes_on=self.goes_on)

    @property
    def started_ns(self) -> int:
        """The beginning of the trace."""
        return int(self.edges[0])

    @property
    def ended_ns(self) -> int:
        """The last snapshot so far."""
        return int(self.edges[-1])

    @property
    def window(self) -> Window:
        """From snapshot to snapshot."""
        end = self._edge(self.at_ns)
        since = int(self.edges[end - 1])
        if self.width_ns:
            wanted = int(self.edges[end]) - self.width_ns
            since = min(since, int(self.edges[max(0, int(np.searchsorted(self.edges, wanted, "right")) - 1)]))
        return Window(since, int(self.edges[end]))

    @property
    def events(self) -> Window:
        """The same, up to the instant; all that there is while it follows."""
        window = self.window
        if self.follows:
            return Window(window.since_ns, max(self.last_ns, window.until_ns))
        return Window(window.since_ns, max(self.at_ns, window.since_ns + 1))

    def _edge(self, ns: int) -> int:
        """The snapshot whose interval has this instant: never the first edge, which has none."""
        return min(max(1, int(np.searchsorted(self.edges, ns, "left"))), len(self.edges) - 1)

    # -- where it goes

    def to(self, ns: int) -> None:
        """To an instant, or to the nearest that the trace has."""
        self.follows = False
        self.at_ns = min(max(ns, self.started_ns), self.ended_ns)

    def by(self, ns: int) -> None:
        """Forwards, or backwards if it is negative."""
        self.to(self.at_ns + ns)

    def by_snapshots(self, number: int) -> None:
        """To the snapshot that many further."""
        edge = min(max(1, self._edge(self.at_ns) + number), len(self.edges) - 1)
        self.to(int(self.edges[edge]))

    def follow(self) -> None:
        """To the end, and on with it."""
        self.follows, self.at_ns = True, self.ended_ns

    def grow(self, edges: npt.NDArray[np.int64], last_ns: int, *, goes_on: bool) -> None:
        """The trace has these snapshots by now, and this last instant."""
        self.edges, self.last_ns, self.goes_on = edges, last_ns, goes_on
        if self.follows:
            self.at_ns = self.ended_ns


class Cursor:
    """A position on an open trace, and what moves its window there. Nothing is read before `show`."""

    def __init__(self, trace: Trace, width_ns: int = 0) -> None:
        self.trace = trace
        self.position = Position(_edges(trace), trace.metadata["ended_ns"], _goes_on(trace), width_ns=width_ns)

    def refresh(self) -> int:
        """Takes what was recorded meanwhile; how many rows."""
        rows, position = self.trace.refresh(), self.position
        goes_on = _goes_on(self.trace)
        if rows or goes_on != position.goes_on:
            position.grow(_edges(self.trace), self.trace.metadata["ended_ns"], goes_on=goes_on)
        return rows

    def show(self) -> Window:
        """Moves the trace's window to that of the position."""
        return self._move(self.position.window)

    def show_events(self) -> Window:
        """Moves the trace's window to that of events."""
        return self._move(self.position.events)

    def _move(self, window: Window) -> Window:
        move(self.trace, window, self.position)
        return window


def move(trace: Trace, window: Window, position: Position) -> None:
    """Moves a trace's window. At an end of the trace it is open, as some rows are of before or after all snapshots."""
    since = None if window.since_ns <= position.started_ns else window.since_ns + 1
    until = None if window.until_ns >= position.ended_ns and not position.goes_on else window.until_ns + 1
    trace.move(since, until)


def _goes_on(trace: Trace) -> bool:
    return trace.metadata["stopped_by"] == RUNNING


def _edges(trace: Trace) -> npt.NDArray[np.int64]:
    """The snapshots. There is always an interval: of a recording without snapshots, its length."""
    with trace.reading():
        edges: npt.NDArray[np.int64] = trace.own(SNAPSHOTS).fetchnumpy()["ns"].astype(np.int64)
    if len(edges) >= 2:
        return edges
    info = trace.metadata
    return np.array([info["started_ns"], max(info["ended_ns"], info["started_ns"] + 1)], np.int64)
