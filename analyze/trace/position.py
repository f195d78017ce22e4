"""An instant of a trace, and the window that ends there: where a screen is, live or in replay.

What is counted is known per snapshot only, so the window begins and ends at snapshots. Events are known to the
nanosecond: `events` is the same window cut at the instant itself.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


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

    edges: Sequence[int]
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
        return self.edges[0]

    @property
    def ended_ns(self) -> int:
        """The last snapshot so far."""
        return self.edges[-1]

    @property
    def window(self) -> Window:
        """From snapshot to snapshot."""
        end = self._edge(self.at_ns)
        since = self.edges[end - 1]
        if self.width_ns:
            wanted = self.edges[end] - self.width_ns
            since = min(since, self.edges[max(0, bisect_right(self.edges, wanted) - 1)])
        return Window(since, self.edges[end])

    @property
    def events(self) -> Window:
        """The same, up to the instant; all that there is while it follows."""
        window = self.window
        if self.follows:
            return Window(window.since_ns, max(self.last_ns, window.until_ns))
        return Window(window.since_ns, max(self.at_ns, window.since_ns + 1))

    def _edge(self, ns: int) -> int:
        """The snapshot whose interval has this instant: never the first edge, which has none."""
        return min(max(1, bisect_left(self.edges, ns)), len(self.edges) - 1)

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
        self.to(self.edges[edge])

    def follow(self) -> None:
        """To the end, and on with it."""
        self.follows, self.at_ns = True, self.ended_ns

    def grow(self, edges: Sequence[int], last_ns: int, *, goes_on: bool) -> None:
        """The trace has these snapshots by now, and this last instant."""
        self.edges, self.last_ns, self.goes_on = edges, last_ns, goes_on
        if self.follows:
            self.at_ns = self.ended_ns
