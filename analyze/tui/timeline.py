"""The timeline at the top: how busy the machine was, the window, and ticks of what there is to jump to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import ceil, isnan, nan

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from sysmon.analyze.trace.position import Window
from sysmon.analyze.trace.times import iso
from sysmon.analyze.tui import styles
from sysmon.analyze.tui.answers import Tick
from sysmon.analyze.tui.cells import fit
from sysmon.analyze.tui.glyphs import Glyphs

MOST_TICKS = 20_000
"""Ticks that are kept, the last ones."""

LETTERS = {"finding": "f", "failure": "x", "loss": "!", "mark": "m"}
"""In the order in which one is shown where several would be."""


class Timeline(Widget):
    """Of the whole trace, or of the last `span_ns` of it. The mouse goes to an instant, and brushes a window."""

    class Brushed(Message):
        """From one instant to another [UTC ns]; the same: a click."""

        def __init__(self, begin_ns: int, end_ns: int) -> None:
            super().__init__()
            self.begin_ns, self.end_ns = min(begin_ns, end_ns), max(begin_ns, end_ns)

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self.edges: Sequence[int] = ()
        self.shares: dict[int, float] = {}  # by the end of the interval
        self.ticks: list[Tick] = []
        self.window: Window | None = None
        self.at_ns = 0
        self._pressed: int | None = None
        self._heights: dict[tuple[int, int, int], list[float]] = {}

    def add_ticks(self, ticks: Iterable[Tick]) -> None:
        """More to jump to."""
        self.ticks = sorted([*self.ticks, *ticks], key=lambda tick: tick.ns)[-MOST_TICKS:]
        self.refresh()

    @property
    def span(self) -> tuple[int, int]:
        """First and last instant that it shows."""
        return self.edges[0], max(self.edges[-1], self.edges[0] + 1)

    def ns_at(self, x: int) -> int:
        """The instant of a column."""
        begin, end = self.span
        return begin + (end - begin) * max(0, min(x, self.size.width - 1)) // max(1, self.size.width - 1)

    def column_of(self, ns: int) -> int:
        """The column of an instant."""
        begin, end = self.span
        return max(0, min(self.size.width - 1, (ns - begin) * (self.size.width - 1) // (end - begin)))

    # -- the mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if len(self.edges):
            self._pressed = event.x
            self.capture_mouse()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._pressed is not None:
            self.release_mouse()
            self.post_message(self.Brushed(self.ns_at(self._pressed), self.ns_at(event.x)))
            self._pressed = None

    # -- how it looks

    def render_line(self, y: int) -> Strip:
        """A line: bars, then ticks, then times; the ticks alone if there is one line."""
        width = self.size.width
        if not len(self.edges) or width < 2:
            return Strip.blank(width)
        bars = max(0, self.size.height - 2)
        if y < bars:
            return self._bars(y, bars, width)
        return self._ticks(width) if y == bars else self._times(width)

    def _bars(self, y: int, lines: int, width: int) -> Strip:
        levels = len(self._glyphs.bars) - 1
        unknown = " " if self._glyphs.ascii_only else "·"
        segments = []
        for x, share in enumerate(self.heights(width)):
            height = 0.0 if isnan(share) else share * lines - (lines - 1 - y)
            full = max(0, min(ceil(height * levels), levels))
            text = unknown if isnan(share) and y == lines - 1 else self._glyphs.bars[full]
            # Not in reverse: a CPU that did nothing would look like a busy one.
            segments.append(Segment(text, styles.WINDOW if self._is_in_window(x) else styles.GOOD))
        return Strip(segments, width)

    def grow(self, edges: Sequence[int]) -> None:
        """The trace has these snapshots by now. What was before the first is forgotten."""
        if self.edges and edges[0] > self.edges[0]:
            self.shares = {ns: share for ns, share in self.shares.items() if ns > edges[0]}
            self.ticks = [tick for tick in self.ticks if tick.ns >= edges[0]]
        self.edges = edges

    def add_shares(self, shares: Mapping[int, float]) -> None:
        """How busy it was in more intervals."""
        self.shares.update(shares)
        self._heights.clear()
        self.refresh()

    def heights(self, width: int) -> list[float]:
        """The busiest interval of each column, 0 to 1; NaN where it is not known."""
        key = (width, *self.span)
        if key not in self._heights:
            self._heights.clear()
            self._heights[key] = self._made(width)
        return self._heights[key]

    def _made(self, width: int) -> list[float]:
        found = [nan] * width
        for begin, end in pairwise(self.edges):
            share = self.shares.get(end, nan)
            if not isnan(share):
                for x in range(self.column_of(begin), self.column_of(end) + 1):
                    found[x] = share if isnan(found[x]) else max(found[x], share)
        return found

    def _is_in_window(self, x: int) -> bool:
        window = self.window
        return window is not None and self.column_of(window.since_ns) <= x <= self.column_of(window.until_ns)

    def _ticks(self, width: int) -> Strip:
        found: dict[int, str] = {}
        for what in reversed(LETTERS):
            found.update((self.column_of(tick.ns), what) for tick in self.ticks if tick.what == what)
        cursor = self.column_of(self.at_ns)
        segments = []
        for x in range(width):
            what = found.get(x, "")
            other = self._glyphs.cursor if x == cursor else self._glyphs.window if self._is_in_window(x) else " "
            text = LETTERS.get(what, other)
            style = styles.TICKS.get(what, styles.WINDOW)
            segments.append(Segment(text, style + styles.CURSOR if x == cursor and what else style))
        return Strip(segments, width)

    def _times(self, width: int) -> Strip:
        begin, end = self.span
        left, right = (iso(ns, 0)[11:-1] for ns in (begin, end))
        text = fit(left, max(0, width - len(right)), self._glyphs.cut) + right
        return Strip([Segment(fit(text, width, self._glyphs.cut), styles.QUIET)], width)
