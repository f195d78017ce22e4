"""Keys and the mouse that move in time."""

from __future__ import annotations

import time

from sysmon.analyze.trace.position import Window
from sysmon.analyze.tui import jumping
from sysmon.analyze.tui.screen import Screen
from sysmon.analyze.tui.timeline import Timeline

BEAT_S = 0.1
"""How often a replay goes on [s]."""

WIDTHS_S = (0, 5, 10, 30, 60, 300, 900, 3600)
"""Widths of the window [s]; 0: a single interval."""


class Moving(Screen):
    """A screen whose cursor moves."""

    _brush: int | None = None
    marked: Window | None = None  # the window that was brushed last

    async def on_mount(self) -> None:
        self.set_interval(BEAT_S, self._beat)

    def _beat(self) -> None:
        self.reader.hurry()
        self._tell_age()
        if self.is_late():
            for grid in self.grids:
                grid.mark_stale()
        position = self.position
        if position is None or not (passed := self.clock.passed_ns(time.monotonic())):
            return
        before = position.window
        position.by(passed)
        if position.at_ns >= position.ended_ns:
            self.clock.pause()
            if position.goes_on:
                position.follow()
        if position.window != before or self.shows_events:
            self.ask()
        self.tell_where()

    def _tell_age(self) -> None:
        """How old what is shown live is changes by itself."""
        if self.position is not None and self.position.follows and self.position.goes_on:
            self.tell_head()

    def action_play(self) -> None:
        """Plays or pauses; at the end of a finished trace it begins again."""
        position = self.position
        if position is None:
            return
        if not self.clock.playing and position.at_ns >= position.ended_ns and not position.goes_on:
            position.to(position.started_ns)
        position.follows = False
        self.clock.toggle(time.monotonic())
        self.ask()

    def action_snapshots(self, by: int) -> None:
        """Goes to another snapshot."""
        if self.position is not None:
            self.clock.pause()
            self.position.by_snapshots(by)
            self.ask()

    def action_seconds(self, by: int) -> None:
        """Goes on, or back."""
        if self.position is not None:
            self.clock.pause()
            self.position.by(by * 10**9)
            self.ask()

    def action_faster(self, by: int) -> None:
        """Takes another speed."""
        self.clock.faster(by)
        self.say(f"speed {self.clock.speed:g}x")
        self.tell_where()

    def action_follow(self) -> None:
        """Goes to the end, and on with it."""
        if self.position is not None:
            self.clock.pause()
            self.position.follow()
            self.marked = None
            self.ask()

    def action_wider(self, by: int) -> None:
        """Takes another width of the window."""
        if self.position is not None:
            now = self.position.width_ns / 1e9
            at = min(range(len(WIDTHS_S)), key=lambda i: abs(WIDTHS_S[i] - now)) + by
            self.position.width_ns = WIDTHS_S[max(0, min(at, len(WIDTHS_S) - 1))] * 10**9
            self.marked = None
            self.ask()

    def action_brush(self) -> None:
        """Begins a window here, or ends it here."""
        if self.position is None:
            return
        if self._brush is None:
            self._brush = self.position.window.since_ns
            self.say("the window begins here: go to its end, and press b again")
            return
        begin, self._brush = self._brush, None
        self.say("")
        self._look_at(begin, self.position.at_ns)

    def _look_at(self, begin_ns: int, end_ns: int) -> None:
        """A window from one instant to another."""
        assert self.position is not None
        begin, end = sorted((begin_ns, end_ns))
        self.clock.pause()
        self.position.to(end)
        self.position.width_ns = end - begin
        self.marked = Window(begin, end)
        self.ask()

    def on_timeline_brushed(self, event: Timeline.Brushed) -> None:
        """The mouse has gone to an instant, or brushed a window."""
        if self.position is None:
            return
        if event.begin_ns < event.end_ns:
            self._look_at(event.begin_ns, event.end_ns)
        else:
            self.go_to(event.begin_ns)

    def go_to(self, ns: int) -> None:
        """Goes to an instant."""
        if self.position is not None:
            self.clock.pause()
            self.position.to(ns)
            self.ask()

    def action_jump(self, what: str, by: int) -> None:
        """Goes to the next or previous finding, failure, loss or mark."""
        if self.position is None:
            return
        found = jumping.following(self.timeline.ticks, what, self.position.at_ns, by)
        if found is None:
            still = "; the trace is still read for more" if self.reader.has_more else ""
            self.say(f"no {what} {'after' if by > 0 else 'before'} this{still}")
            return
        if found.until_ns is None:
            self.go_to(found.ns)
        else:
            self._look_at(found.ns, found.until_ns)
            self.marked = None
        self.say(f"{what}: {found.text}")
