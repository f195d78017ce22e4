"""Keys and the mouse that choose what is seen: pages, rows, order, filters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from textual.widgets import Input

from sysmon.analyze.tui import going
from sysmon.analyze.tui.grid import Grid
from sysmon.analyze.tui.moving import Moving
from sysmon.analyze.tui.pages import Section
from sysmon.analyze.tui.places import Order, Place
from sysmon.errors import SysmonError


class Browsing(Moving):
    """A screen whose place changes."""

    _then: Callable[[str], None] | None = None

    # -- pages

    async def action_page(self, name: str) -> None:
        """A page from the top, or a report as one."""
        self.trail.begin(Place(name))
        await self.open_page()

    async def action_back(self) -> None:
        """Closes the prompt, shows all tables, takes a filter away, or goes a page up: the first that there is."""
        here = self.trail.here
        if self.prompt.display:
            self._close_prompt()
        elif self._alone is not None:
            self.action_maximize()
        elif here.filter or here.where:
            self.change(replace(here, filter="", where=""))
        elif self.trail.back():
            await self.open_page()

    async def on_grid_entered(self, event: Grid.Entered) -> None:
        """Goes deeper."""
        place = going.opened(self.trail.here, self.section(event.grid), event.row)
        if place is not None:
            self.trail.enter(place)
            await self.open_page()

    @property
    def focused_grid(self) -> Grid:
        """The table with the focus, or the first."""
        return self.focused if isinstance(self.focused, Grid) else self.grids[0]

    def section(self, grid: Grid) -> Section:
        """What a table shows."""
        return self.page.sections[grid.number]

    def change(self, place: Place) -> None:
        """The same place, seen otherwise."""
        self.trail.change(place)
        self.ask()

    def action_maximize(self) -> None:
        """One table alone, or all."""
        self._alone = self.focused_grid.number if self._alone is None else None
        self.arrange()

    def on_descendant_focus(self) -> None:
        """A table that had no room may be seen now."""
        self.arrange()

    # -- rows

    def on_grid_sorted(self, event: Grid.Sorted) -> None:
        """The name of a column was clicked: sorted by it; again: in reverse."""
        now = self.trail.here.order(event.grid.number)
        self._sort(event.grid, Order(event.column, not now.reverse and now.column == event.column))

    def action_sort(self, by: int) -> None:
        """Sorts by the next column."""
        grid = self.focused_grid
        names, now = grid.table.names, self.trail.here.order(grid.number).column
        if names:
            self._sort(grid, Order(names[(names.index(now) + by) % len(names) if now in names else 0]))

    def action_reverse(self) -> None:
        """Reverses the order."""
        grid = self.focused_grid
        now = self.trail.here.order(grid.number)
        if grid.table.names:
            self._sort(grid, Order(now.column or grid.table.names[0], not now.reverse))

    def _sort(self, grid: Grid, order: Order) -> None:
        if not grid.table.drawn:
            self.change(self.trail.here.sorted_by(grid.number, order))

    def action_fold(self) -> None:
        """Processes of one command together."""
        here = self.trail.here
        self.change(replace(here, folded=not here.folded, tree=False, orders=()))

    def action_tree(self) -> None:
        """Processes as a tree."""
        here = self.trail.here
        self.change(replace(here, tree=not here.tree, folded=False))

    def action_sideways(self, by: int) -> None:
        """Other columns."""
        self.focused_grid.sideways(by)

    def action_leave_out(self) -> None:
        """What is split, without the value under the cursor."""
        from sysmon.analyze.tui import splitting

        here, row = self.trail.here, self.focused_grid.row
        if self.page.name == "pivot" and row is not None:
            self.change(replace(here, split=splitting.without(here.split, row)))

    # -- prompts

    def ask_for(self, hint: str, then: Callable[[str], None], value: str = "") -> None:
        """Asks for a line of text. What `then` raises is said."""
        self._then = then
        self.prompt.placeholder, self.prompt.value = hint, value
        self.prompt.display, self.message.display = True, False
        self.prompt.focus()

    def _close_prompt(self) -> None:
        self.prompt.display, self.message.display = False, True
        self.grids[0].focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The line is there."""
        then, self._then = self._then, None
        self._close_prompt()
        if then is not None:
            self.say("")
            try:
                then(event.value.strip())
            except SysmonError as error:
                self.say(str(error), alarm=True)

    def action_ask_time(self) -> None:
        """Asks for a time."""
        hint = "go to: 14:03, +5m or -30s from here, 90s from the start, 2026-01-31T12:00:00"
        self.ask_for(hint, lambda text: self.go_to(self.typed_time(text)))

    def action_ask_filter(self) -> None:
        """Asks for a text."""
        here = self.trail.here
        self.ask_for("rows with this text", lambda text: self.change(replace(here, filter=text)), here.filter)

    def action_ask_where(self) -> None:
        """Asks for an expression."""
        here = self.trail.here
        hint = "rows for which this is true: cpu_pct > 10 AND comm = 'cc1'"
        self.ask_for(hint, lambda text: self.change(replace(here, where=text)), here.where)

    async def action_ask_split(self) -> None:
        """Asks what to split by what."""
        from sysmon.analyze.tui import splitting

        if self.page.name != "pivot":
            await self.action_page("pivot")
        here = self.trail.here
        hint = f"{splitting.EXAMPLE}; measures: {', '.join(splitting.measures())}"
        text = f"{here.split.measure} by {', '.join(splitting.by_of(here.split))}"
        self.ask_for(hint, lambda typed: self.change(replace(here, split=splitting.typed(typed))), text)
