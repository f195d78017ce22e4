"""The application: keys and the mouse move a cursor and open pages; what the reading thread answers is put on them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import numpy as np
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input

from sysmon.analyze.trace.cursor import Position, Window
from sysmon.analyze.trace.times import iso
from sysmon.analyze.trace.trace import Trace
from sysmon.analyze.tui import copied, jumping, keys
from sysmon.analyze.tui.answers import Answer, Busy, Failed, Grown, Opened, Question, Shown, Ticks
from sysmon.analyze.tui.bars import Line
from sysmon.analyze.tui.glyphs import Glyphs, of_locale
from sysmon.analyze.tui.grid import Grid
from sysmon.analyze.tui.help import Help
from sysmon.analyze.tui.links import Link
from sysmon.analyze.tui.pages import BY_NAME, Opens, Page, Section
from sysmon.analyze.tui.palette import Pages
from sysmon.analyze.tui.places import EVERYTHING, Order, Place, Scope, Trail
from sysmon.analyze.tui.playing import Clock
from sysmon.analyze.tui.reader import Reader
from sysmon.analyze.tui.timeline import Timeline
from sysmon.errors import BadRequest, SysmonError
from sysmon.safe_text import one_line

BEAT_S = 0.1
"""How often a replay goes on [s]."""

WIDTHS_S = (0, 5, 10, 30, 60, 300, 900, 3600)
"""Widths of the window [s]; 0: a single interval."""

DEEP, LOW = 20, 14
"""Lines of a terminal from which the timeline has two lines of bars, and one."""


class Viewer(App[None]):
    """A screen on a trace. `link`: what can be asked of the recorder, if there is one."""

    ENABLE_COMMAND_PALETTE = True
    COMMANDS: ClassVar = {Pages}
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
        title: str,
        at: str | None = None,
        speed: float = 1.0,
        follows: bool = True,
        link: Link | None = None,
        glyphs: Glyphs | None = None,
    ) -> None:
        super().__init__(ansi_color=True)
        self.glyphs = glyphs or of_locale()
        self.name_of_trace, self.link = title, link
        self.trail = Trail([Place("overview")])
        self.position: Position | None = None
        self.clock = Clock(speed=speed)
        self.shown: Shown | None = None
        self.failed = ""
        self._at, self._follows = at, follows
        self._asked = 0
        self._brush: int | None = None
        self._prompted: Callable[[str], None] | None = None
        self._mounted: tuple[str, int] = ("", 0)
        self.reader = Reader(opens, self._tell, lambda: (max(20, self.size.width), not self.glyphs.ascii_only))

    # -- what there is

    def compose(self) -> ComposeResult:
        self.head, self.timeline = Line(self.glyphs), Timeline(self.glyphs)
        self.crumbs, self.message, self.footer = Line(self.glyphs), Line(self.glyphs), Line(self.glyphs)
        self.body, self.prompt = Vertical(id="body"), Input(id="prompt", compact=True)
        yield self.head
        yield self.timeline
        yield self.crumbs
        yield self.body
        yield self.message
        yield self.prompt
        yield self.footer

    async def on_mount(self) -> None:
        await self._open_page()
        self.footer.keys([(key.shown.split(" ")[0], key.footer) for key in keys.EVERY if key.footer])
        self._tell_where()
        self.set_interval(BEAT_S, self._beat)
        self.reader.start()

    def on_unmount(self) -> None:
        self.reader.stop()

    def on_resize(self) -> None:
        height = self.size.height
        self.timeline.styles.height = 4 if height >= DEEP else 3 if height >= LOW else 1
        self._arrange()
        self._ask()

    # -- the reading thread

    def _tell(self, answer: Answer) -> None:
        """Called in the reading thread."""
        if self.is_running:
            self.call_later(self._take, answer)

    async def _take(self, answer: Answer) -> None:
        match answer:
            case Opened():
                pass
            case Grown():
                self._grow(answer)
            case Shown():
                self._show(answer)
            case Busy():
                self._busy(answer)
            case Ticks():
                self.timeline.ticks = sorted([*self.timeline.ticks, *answer.ticks], key=lambda tick: tick.ns)
                self.timeline.refresh()
            case Failed():
                self._fail(answer)

    def _grow(self, grown: Grown) -> None:
        if self.position is None:
            self._begin(grown)
        else:
            before = len(self.position.edges)
            went_on = self.position.goes_on
            self.position.grow(grown.edges, grown.last_ns, goes_on=grown.goes_on)
            if self.position.follows and (len(grown.edges) != before or self._shows_events or not grown.goes_on):
                self._ask()
            if went_on and not grown.goes_on:
                self.say(f"the recording has ended: {grown.stopped_by}")
        self.timeline.edges = grown.edges
        self._tell_where()

    def _begin(self, grown: Grown) -> None:
        self.position = Position(grown.edges, grown.last_ns, grown.goes_on)
        if not (grown.goes_on and self._follows):
            self.position.to(int(grown.edges[1]))
        if self._at is not None:
            self._go(self._at)
        self._ask()

    @property
    def _shows_events(self) -> bool:
        return self.trail.here.page == "events"

    def _busy(self, busy: Busy) -> None:
        shares = self.timeline.shares
        size = busy.first + len(busy.shares)
        if len(shares) < size:
            shares = np.concatenate([shares, np.full(size - len(shares), np.nan)])
        shares[busy.first : size] = busy.shares
        self.timeline.shares = shares
        self.timeline.refresh()

    def _show(self, shown: Shown) -> None:
        if shown.question.number != self._asked and shown.question.place != self.trail.here:
            return
        self.shown = shown
        for grid, table in zip(self.grids, shown.tables, strict=True):
            grid.show(table, shown.question.place.order(grid.number))
        self._tell_where()

    def _fail(self, failed: Failed) -> None:
        self.say(failed.text, alarm=True)
        if failed.final:
            self.failed = failed.text
            if self.shown is None:
                self.exit(return_code=1)

    def _ask(self) -> None:
        """Asks for what is to be seen now."""
        if self.position is None:
            return
        self._asked += 1
        self.reader.ask(Question(self.trail.here, replace(self.position), self._asked))
        self._tell_where()

    def _beat(self) -> None:
        self.reader.hurry()
        if self.shown is not None and self.shown.question.number != self._asked:
            for grid in self.grids:
                grid.mark_stale()
        if self.position is None or not (passed := self.clock.passed_ns(time.monotonic())):
            return
        before = self.position.window
        self.position.by(passed)
        if self.position.at_ns >= self.position.ended_ns:
            self.clock.pause()
            if self.position.goes_on:
                self.position.follow()
        if self.position.window != before or self._shows_events:
            self._ask()
        self._tell_where()

    # -- what is said

    def say(self, text: str, *, alarm: bool = False) -> None:
        """Shows a line until something else is said."""
        self.message.say(one_line(text), alarm=alarm)

    def _tell_where(self) -> None:
        """The head, the timeline and the way here."""
        position, window = self.position, self.window
        self.timeline.window = window
        if position is not None and window is not None:
            self.timeline.at_ns = position.at_ns
            self.head.parts(self._head_parts(position, window))
        else:
            self.head.parts([(self.name_of_trace, "title"), ("opening", "quiet")])
        self.timeline.refresh()
        self.crumbs.say(self.glyphs.path.join(self._crumbs()), title=True)

    def _head_parts(self, position: Position, window: Window) -> list[tuple[str, str]]:
        if position.follows and position.goes_on:
            state = "LIVE"
        elif self.clock.playing:
            state = f"{self.glyphs.play} {self.clock.speed:g}x"
        else:
            state = "at the end" if position.follows else "paused"
        length = f"{window.seconds:.3g} s, {len(self._edges_in(position, window))} snapshots"
        parts = [(self.name_of_trace, "title"), (state, "good" if state == "LIVE" else "busy")]
        parts += [(f"{iso(position.at_ns, 3).replace('T', ' ')[:-1]} UTC", "title"), (f"window {length}", "quiet")]
        if self.shown and self.shown.lost:
            parts.append((self.shown.lost, "alarm"))
        return parts

    @staticmethod
    def _edges_in(position: Position, window: Window) -> range:
        first, last = np.searchsorted(position.edges, [window.since_ns, window.until_ns], "right")
        return range(int(first), int(last))

    def _crumbs(self) -> list[str]:
        return [_title(place) for place in self.trail.places]

    @property
    def window(self) -> Window | None:
        """What is looked at."""
        return None if self.position is None else self.position.window

    # -- pages

    @property
    def grids(self) -> list[Grid]:
        """The tables of the page."""
        return list(self.body.query(Grid))

    async def _open_page(self) -> None:
        """Puts the tables of this place there, with what they last showed if it is the same page."""
        page = BY_NAME[self.trail.here.page]
        await self.body.remove_children()
        grids = [Grid(section.title, self.glyphs, n) for n, section in enumerate(page.sections)]
        await self.body.mount_all(grids)
        self._arrange()
        grids[0].focus()
        self._ask()

    def _arrange(self) -> None:
        """Heights of tables: as many lines as they want, the others share the rest; on a low screen one table alone."""
        page, room = BY_NAME[self.trail.here.page], max(3, self.size.height - 8)
        wanted = 0
        if len(self.grids) != len(page.sections):  # it is being opened
            return
        for grid, section in zip(self.grids, page.sections, strict=True):
            lines = section.lines + 2 if section.lines else 0
            is_alone = self._alone is not None
            fits = lines == 0 or wanted + lines + 4 <= room
            grid.display = grid is self._alone if is_alone else fits or grid.has_focus
            grid.styles.height = lines if lines and not is_alone and grid.display and len(page.sections) > 1 else "1fr"
            wanted += lines if grid.display else 0

    _alone: Grid | None = None

    async def _go_to(self, place: Place) -> None:
        self._alone = None
        self.trail.enter(place)
        await self._open_page()

    async def action_page(self, name: str) -> None:
        """A page from the top."""
        self._alone = None
        self.trail.begin(Place(name))
        await self._open_page()

    async def action_back(self) -> None:
        """One page up, or a filter less."""
        here = self.trail.here
        if self.prompt.display:
            self._close_prompt()
        elif self._alone is not None:
            self._alone = None
            self._arrange()
        elif here.filter or here.where:
            self._change(replace(here, filter="", where=""))
        elif self.trail.back():
            await self._open_page()

    async def on_grid_entered(self, event: Grid.Entered) -> None:
        section = self._section(event.grid)
        if section.opens is not None:
            place = _opened(self.trail.here, section.opens, event.row)
            if place is not None:
                await self._go_to(place)

    def on_grid_sorted(self, event: Grid.Sorted) -> None:
        here = self.trail.here
        now = here.order(event.grid.number)
        reverse = not now.reverse if now.column == event.column else False
        self._change(here.sorted_by(event.grid.number, Order(event.column, reverse)))

    def _section(self, grid: Grid) -> Section:
        return BY_NAME[self.trail.here.page].sections[grid.number]

    @property
    def focused_grid(self) -> Grid:
        """The table with the focus, or the first."""
        return self.focused if isinstance(self.focused, Grid) else self.grids[0]

    def _change(self, place: Place) -> None:
        self.trail.change(place)
        self._ask()

    def action_sort(self, by: int) -> None:
        """Sorts by the next column."""
        grid, here = self.focused_grid, self.trail.here
        columns = grid.columns()
        if columns and not grid.table.drawn:
            now = here.order(grid.number).column
            at = columns.index(now) + by if now in columns else 0
            self._change(here.sorted_by(grid.number, Order(columns[at % len(columns)])))

    def action_reverse(self) -> None:
        """Reverses the order."""
        grid, here = self.focused_grid, self.trail.here
        now = here.order(grid.number)
        if columns := grid.columns():
            self._change(here.sorted_by(grid.number, Order(now.column or columns[0], not now.reverse)))

    def action_fold(self) -> None:
        """Processes of one command together."""
        here = self.trail.here
        self._change(replace(here, folded=not here.folded, tree=False, orders=()))

    def action_tree(self) -> None:
        """Processes as a tree."""
        here = self.trail.here
        self._change(replace(here, tree=not here.tree, folded=False))

    def action_sideways(self, by: int) -> None:
        """Other columns."""
        self.focused_grid.sideways(by)

    def action_maximize(self) -> None:
        """One table alone."""
        self._alone = None if self._alone else self.focused_grid
        self._arrange()

    # -- time

    def _moved(self) -> None:
        self._ask()

    def action_play(self) -> None:
        """Plays or pauses; from the end, from the beginning."""
        if self.position is None:
            return
        if not self.clock.playing and self.position.at_ns >= self.position.ended_ns and not self.position.goes_on:
            self.position.to(self.position.started_ns)
        self.position.follows = False
        self.clock.toggle(time.monotonic())
        self._moved()

    def action_snapshots(self, by: int) -> None:
        """Steps."""
        if self.position is not None:
            self.clock.pause()
            self.position.by_snapshots(by)
            self._moved()

    def action_seconds(self, by: int) -> None:
        """Steps by time."""
        if self.position is not None:
            self.clock.pause()
            self.position.by(by * 10**9)
            self._moved()

    def action_faster(self, by: int) -> None:
        """Another speed."""
        self.clock.faster(by)
        self._tell_where()

    def action_follow(self) -> None:
        """The end, and on with it."""
        if self.position is not None:
            self.clock.pause()
            self.position.follow()
            self._moved()

    def action_wider(self, by: int) -> None:
        """Another width of the window."""
        if self.position is not None:
            now = self.position.width_ns / 1e9
            at = min(range(len(WIDTHS_S)), key=lambda i: abs(WIDTHS_S[i] - now)) + by
            self.position.width_ns = WIDTHS_S[max(0, min(at, len(WIDTHS_S) - 1))] * 10**9
            self._moved()

    def action_brush(self) -> None:
        """Begins a window here, or ends it here."""
        if self.position is None:
            return
        if self._brush is None:
            self._brush = self.position.window.since_ns
            self.say("the window begins here: go to its end, and press b again")
            return
        self._brushed(self._brush, self.position.at_ns)
        self._brush = None

    def _brushed(self, begin_ns: int, end_ns: int) -> None:
        assert self.position is not None
        begin, end = sorted((begin_ns, end_ns))
        self.position.to(end)
        self.position.width_ns = end - begin
        self.say("")
        self._moved()

    def on_timeline_brushed(self, event: Timeline.Brushed) -> None:
        if self.position is None:
            return
        if event.end_ns - event.begin_ns < 1:
            self.clock.pause()
            self.position.to(event.begin_ns)
            self._moved()
        else:
            self._brushed(event.begin_ns, event.end_ns)

    def action_jump(self, what: str, by: int) -> None:
        """The next or previous finding, failure, loss or mark."""
        if self.position is None:
            return
        at = self.position.at_ns
        found = jumping.following(self.timeline.ticks, what, at, by)
        if found is None:
            self.say(f"no {what} {'after' if by > 0 else 'before'} this")
            return
        self.clock.pause()
        self.position.to(found.ns)
        self.say(f"{what}: {found.text}")
        self._moved()

    # -- prompts

    def _prompt(self, hint: str, then: Callable[[str], None], value: str = "") -> None:
        self._prompted = then
        self.prompt.placeholder, self.prompt.value = hint, value
        self.prompt.display, self.message.display = True, False
        self.prompt.focus()

    def _close_prompt(self) -> None:
        self.prompt.display, self.message.display = False, True
        self.grids[0].focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        then, self._prompted = self._prompted, None
        self._close_prompt()
        if then is not None:
            try:
                then(event.value)
            except SysmonError as error:
                self.say(str(error), alarm=True)

    def action_ask_time(self) -> None:
        """Asks for a time."""
        self._prompt("go to: 14:03, +5m from the start, -30s from here, 2026-01-31T12:00:00", self._go_there)

    def _go_there(self, text: str) -> None:
        self._go(text)
        self._moved()

    def _go(self, text: str) -> None:
        if self.position is not None and text.strip():
            self.clock.pause()
            position = self.position
            position.to(jumping.typed(text, position.started_ns, position.ended_ns, position.at_ns))

    def action_ask_filter(self) -> None:
        """Asks for a text."""
        here = self.trail.here
        self._prompt("rows with this text", lambda text: self._change(replace(here, filter=text.strip())), here.filter)

    def action_ask_where(self) -> None:
        """Asks for an expression."""
        here = self.trail.here
        hint = "rows for which this is true: cpu_pct > 10 AND comm = 'cc1'"
        self._prompt(hint, lambda text: self._change(replace(here, where=text.strip())), here.where)

    def action_ask_mark(self) -> None:
        """Asks for the text of a mark."""
        if self.link is None:
            self.say("no recording to mark: `sysmon note` adds notes to a trace")
            return
        self._prompt("mark this instant of the recording: deploy 42", self.link.mark)

    def action_save(self) -> None:
        """Writes the window as a trace."""
        if self.link is None or self.window is None:
            self.say(self._copied(f"sysmon slice {self.name_of_trace} -o OUT"))
            return
        self.say(self.link.save(self.window.since_ns, self.window.until_ns))

    # -- other

    def _copied(self, text: str) -> str:
        self.copy_to_clipboard(text)
        return f"copied: {text}"

    def action_copy(self) -> None:
        """Copies the command that shows the same."""
        self._copy(copied.command)

    def action_copy_sql(self) -> None:
        """Copies it as a query."""
        self._copy(copied.sql_command)

    def _copy(self, make: Callable[..., str]) -> None:
        if self.shown is not None:
            grid = self.focused_grid
            place, options = self.shown.question.place, self.shown.options
            self.say(self._copied(make(self.name_of_trace, self._section(grid), place, grid.number, options)))

    def action_help(self) -> None:
        """All keys."""
        self.push_screen(Help(self.glyphs, with_link=self.link is not None))


def _title(place: Place) -> str:
    page: Page = BY_NAME[place.page]
    about = [place.scope.title] if place.scope.of_some else []
    about += [str(value) for _, value in place.values]
    shown = [f"/{place.filter}"] if place.filter else []
    shown += [f"&{place.where}"] if place.where else []
    return " ".join(
        [page.title, *about, *shown, *(["folded"] if place.folded else []), *(["tree"] if place.tree else [])]
    )


def _opened(here: Place, opens: Opens, row: dict[str, object]) -> Place | None:
    """The place that a row leads to; None if the row does not say which."""
    scope: Scope | None = here.scope
    if opens.scope in ("pid", "comm", "cgroup"):
        scope = _scope(opens.scope, row)
    if scope is None:
        return None
    values = tuple((name, row.get(name)) for name in opens.values)
    return Place(opens.page, scope, values)  # type: ignore[arg-type]


def _scope(of: str, row: dict[str, object]) -> Scope | None:
    value = row.get(of)
    if value is None:
        return EVERYTHING if of == "pid" and "rule" in row else None
    if of == "pid":
        return Scope(pids=(int(str(value)),), title=f"{str(row.get('comm') or '-').strip()} ({value})")
    if of == "comm":
        return Scope(comms=(str(value),), title=str(value))
    return Scope(cgroups=(str(value),), title=str(value))


__all__ = ["BadRequest", "Viewer"]
