"""What is on the screen, and what the reading thread's answers do to it."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input

from sysmon.analyze.trace.position import Position, Window
from sysmon.analyze.trace.times import instant_ns, iso
from sysmon.analyze.tui import going, jumping, keys
from sysmon.analyze.tui.answers import Answer, Busy, Failed, Grown, Late, Opened, Question, Shown, Table, Ticks
from sysmon.analyze.tui.bars import Line
from sysmon.analyze.tui.glyphs import Glyphs, of_locale
from sysmon.analyze.tui.grid import HEAD, Grid
from sysmon.analyze.tui.links import Link
from sysmon.analyze.tui.pages import Page, page_named
from sysmon.analyze.tui.places import Order, Place, Trail
from sysmon.analyze.tui.playing import Clock
from sysmon.analyze.tui.reader import Reader
from sysmon.analyze.tui.timeline import Timeline
from sysmon.safe_text import one_line

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

LIVE = "live"
"""The title of a recording that no file is made of."""

DEEP, LOW = 20, 14
"""Lines of a terminal from which the timeline has two lines of bars, and one."""

OLD_S = 3.0
"""From what age on it is said how old the last commit of a recording is [s]."""

SAID_S = 0.3
"""How long an answer takes before it is said that it is worked on [s]."""

LEAVING_S = 5.0
"""How long a query may take to notice that nobody waits for it [s]."""

AROUND = 4
"""Lines around the tables, besides the timeline."""

NARROW = 60
"""Cells of a terminal below which the head has no date, and the name of the trace comes last."""


class Screen(App[None]):
    """A trace at a position of its cursor, and at a place in what there is to see."""

    BINDINGS: ClassVar[list[BindingType]] = list(keys.bindings())
    CSS = """
    Screen { layout: vertical; background: transparent; }
    Line { height: 1; }
    Timeline { height: 4; }
    #body { height: 1fr; }
    Grid { height: 1fr; min-height: 2; }
    #prompt { height: 1; border: none; padding: 0; display: none; background: transparent; }
    """

    def __init__(
        self,
        opens: Callable[[], Trace],
        *,
        file: str | None,
        at: str | None = None,
        speed: float = 1.0,
        link: Link | None = None,
        glyphs: Glyphs | None = None,
    ) -> None:
        """`opens`: called in the thread that reads. `file`: of the trace, if there is one. `link`: to its recorder.

        `at`: where to begin; without, at the end of a recording that runs, and at the beginning of others.
        """
        super().__init__(ansi_color=True)
        self.glyphs = glyphs or of_locale()
        self.file, self.link = file, link
        self.trail = Trail([Place("overview")])
        self.position: Position | None = None
        self.clock = Clock(speed=speed)
        self.shown: Shown | None = None
        self.failed = ""
        self._at = at
        self._asked = self._answered = 0  # numbers of questions
        self._asked_s = 0.0
        self._height, self._width = LOW, NARROW
        self._alone: int | None = None  # the section that is seen alone
        self.reader = Reader(opens, self._tell, lambda: (max(20, self.size.width), not self.glyphs.ascii_only))

    def compose(self) -> ComposeResult:
        self.head, self.timeline = Line(self.glyphs), Timeline(self.glyphs)
        self.crumbs, self.message, self.footer = Line(self.glyphs), Line(self.glyphs), Line(self.glyphs)
        self.body, self.prompt = Vertical(id="body"), Input(id="prompt", compact=True)
        yield from (self.head, self.timeline, self.crumbs, self.body, self.message, self.prompt, self.footer)

    async def on_mount(self) -> None:
        self.footer.keys([(key.shown.split(" ")[0], key.footer) for key in keys.EVERY if key.footer])
        self.tell_where()
        await self.open_page()
        self.call_after_refresh(self.reader.start)

    def on_unmount(self) -> None:
        self.reader.stop()

    def leave(self) -> None:
        """Waits until nothing is read any more, and what was made for it is removed."""
        self.reader.stop()
        if self.reader.ident is not None:
            self.reader.join(LEAVING_S)

    def on_resize(self, event: events.Resize) -> None:
        self._height, self._width = event.size.height, event.size.width
        self.timeline.styles.height = self._timeline_lines
        self.arrange()
        self.tell_head()
        self.ask()

    @property
    def _timeline_lines(self) -> int:
        return 4 if self._height >= DEEP else 3 if self._height >= LOW else 1

    # -- the reading thread

    def _tell(self, answer: Answer) -> None:
        """Called in the reading thread."""
        if self.is_running:
            self.call_later(self._take, answer)

    async def _take(self, answer: Answer) -> None:
        match answer:
            case Grown():
                self._grow(answer)
            case Shown():
                self._show(answer)
            case Busy():
                self.timeline.add_shares(answer.shares)
            case Late():
                self._add(answer)
            case Ticks():
                self.timeline.add_ticks(answer.ticks)
            case Failed():
                self._fail(answer)
            case Opened():
                self.tell_where()

    def _grow(self, grown: Grown) -> None:
        self.timeline.grow(grown.edges)
        if self.position is None:
            self._begin(grown)
            return
        before, went_on = len(self.position.edges), self.position.goes_on
        self.position.grow(grown.edges, grown.last_ns, goes_on=grown.goes_on)
        if self.position.follows and (len(grown.edges) != before or self.shows_events or not grown.goes_on):
            self.ask()
        if went_on and not grown.goes_on:
            self.say(f"the recording has ended ({grown.stopped_by}): this is what there is")
        self.tell_where()

    def _begin(self, grown: Grown) -> None:
        self.position = Position(grown.edges, grown.last_ns, grown.goes_on)
        if not grown.goes_on:
            self.position.to(grown.edges[1])
        if self._at is not None:
            self.position.to(instant_ns(self._at, self.position.started_ns))
        self.ask()

    def typed_time(self, text: str) -> int:
        """A typed time as an instant. Raises BadRequest."""
        assert self.position is not None
        return jumping.typed(text, self.position.started_ns, self.position.ended_ns, self.position.at_ns)

    def _show(self, shown: Shown) -> None:
        if shown.question.place != self.trail.here or len(shown.tables) != len(self.grids):
            return
        self.shown, self._answered = shown, shown.question.number
        for grid, table in zip(self.grids, shown.tables, strict=True):
            if table.pending:
                grid.mark_stale()
            else:
                grid.show(table, shown.question.place.order(grid.number))
        self.arrange()
        self.tell_where()

    def _add(self, late: Late) -> None:
        """The rest of an answer, if it is still what is looked at."""
        if self.shown is None or late.question.place != self.trail.here or late.section >= len(self.grids):
            return
        grid = self.grids[late.section]
        grid.show(late.table, late.question.place.order(late.section))
        if late.question.number != self.shown.question.number:
            grid.mark_stale()
        self.arrange()

    def _fail(self, failed: Failed) -> None:
        self.say(failed.text, alarm=True)
        if failed.question is not None:
            self._answered = failed.question.number
            if failed.question.place == self.trail.here and self.trail.here.where:
                self.trail.change(replace(self.trail.here, where=""))
                self.ask()
                return
            for grid in self.grids:
                grid.show(Table(said=failed.text), Order())
            return
        self.failed = failed.text
        if self.shown is None:
            self.exit(return_code=1)

    def ask(self) -> None:
        """Asks for what is to be seen now."""
        if self.position is not None:
            self._asked += 1
            self._asked_s = time.monotonic()
            moves = self.clock.playing or (self.position.follows and self.position.goes_on)
            self.reader.ask(Question(self.trail.here, replace(self.position), self._asked, moves))
            self.tell_where()

    def is_answered(self) -> bool:
        """Whether what is shown is what was asked for last."""
        return self._answered == self._asked > 0

    def is_settled(self) -> bool:
        """Whether it is all of that."""
        return self.is_answered() and not any(grid.stale for grid in self.grids)

    def is_late(self) -> bool:
        """Whether it takes so long that it is to be said."""
        return self._answered < self._asked and time.monotonic() - self._asked_s > SAID_S

    # -- what is said

    def say(self, text: str, *, alarm: bool = False) -> None:
        """Shows a line until something else is said."""
        self.message.say(one_line(text), alarm=alarm)

    def tell_where(self) -> None:
        """The head, the timeline and the way here."""
        if self.position is not None:
            self.timeline.window, self.timeline.at_ns = self.position.window, self.position.at_ns
        self.tell_head()
        self.timeline.refresh()
        self.crumbs.say(self.glyphs.path.join(going.title(place) for place in self.trail.places), title=True)

    def tell_head(self) -> None:
        """What is looked at, and when."""
        position = self.position
        name = PurePath(self.file or LIVE).name, "title"
        if position is None:
            self.head.parts([name, ("opening", "quiet")])
            return
        parts = [self._state(position), *self._window(position)]
        self.head.parts([*parts, name] if self._width < NARROW else [name, *parts])

    def _state(self, position: Position) -> tuple[str, str]:
        if position.follows and position.goes_on:
            age_s = (time.time_ns() - position.last_ns) / 1e9
            return ("LIVE", "good") if age_s < OLD_S else (f"LIVE, committed {age_s:.0f} s ago", "busy")
        if self.clock.playing:
            return f"{self.glyphs.play} {self.clock.speed:g}x", "busy"
        return "paused", "busy"

    def _window(self, position: Position) -> list[tuple[str, str]]:
        window = position.window
        count = bisect_right(position.edges, window.until_ns) - bisect_right(position.edges, window.since_ns)
        snapshots = "1 snapshot" if count == 1 else f"{count} snapshots"
        instant = iso(position.at_ns, 3).replace("T", " ")[:-1]
        parts = [(instant[11:] if self._width < NARROW else f"{instant} UTC", "title")]
        parts += [(f"window {window.seconds:.3g} s, {snapshots}", "quiet")]
        if self.shown and self.shown.lost:
            parts.append((self.shown.lost, "alarm"))
        return parts

    # -- tables

    @property
    def page(self) -> Page:
        """The page of the place."""
        return page_named(self.trail.here.page)

    @property
    def shows_events(self) -> bool:
        """Whether the page follows every event, not only snapshots."""
        return self.trail.here.page == "events"

    @property
    def window(self) -> Window | None:
        """What is looked at."""
        return None if self.position is None else self.position.window

    @property
    def grids(self) -> list[Grid]:
        """The tables of the page."""
        return list(self.body.query(Grid))

    async def open_page(self) -> None:
        """Puts the tables of this place there."""
        self._alone = None
        if self.link is not None:
            self.link.follow_events(self.shows_events)
        await self.body.remove_children()
        grids = [Grid(section.title, self.glyphs, n) for n, section in enumerate(self.page.sections)]
        await self.body.mount_all(grids)
        grids[0].focus()
        self.arrange()
        self.ask()

    def arrange(self) -> None:
        """Heights of tables: as many lines as they have and may have; those that want all share the rest.

        On a low screen some have no room: Tab goes to them.
        """
        grids, room = self.grids, max(3, self._height - AROUND - self._timeline_lines)
        if len(grids) != len(self.page.sections):  # they are being put there
            return
        for grid, section in zip(grids, self.page.sections, strict=True):
            lines = max(2, HEAD + min(section.lines, len(grid.table.rows))) if section.lines else 0
            if self._alone is not None:
                grid.display, lines = grid.number == self._alone, 0
            else:
                grid.display = room >= (lines or HEAD + 2) or grid.has_focus
            room -= (lines or HEAD + 2) if grid.display else 0
            grid.styles.height = lines or "1fr"
