"""A table of rows, as fast to refresh as to draw: only the rows that are seen are made into text.

The cursor stays with its row when rows change, by what identifies the row. The title and the names of columns stay at
the top; columns that have no room are left out at the right, and the sideways keys move to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from sysmon.analyze.trace.values import Value
from sysmon.analyze.tui import styles
from sysmon.analyze.tui.answers import Row, Table
from sysmon.analyze.tui.cells import cell, fit
from sysmon.analyze.tui.glyphs import Glyphs
from sysmon.analyze.tui.places import Order

GAP = "  "
HEAD = 2
"""Lines above the rows: the title and the names of columns."""

IDENTIFYING = (
    "pid",
    "start",
    "tid",
    "comm",
    "syscall",
    "abi",
    "error",
    "path",
    "cgroup",
    "rule",
    "file",
    "cpu",
    "disk",
)
"""Columns that tell rows apart, in whichever report has them."""

EVENTS = {
    "exec": styles.GOOD,
    "fork": styles.QUIET,
    "exit": styles.QUIET,
    "signal": styles.TICKS["loss"],
    "loss": styles.ALARM,
    "oom_kill": styles.ALARM,
    "mark": styles.TICKS["mark"],
    "connection": styles.HEADER,
    "socket": styles.HEADER,
    "dns": styles.HEADER,
}

LEAST = 12
"""A text column that would have less room than this, and needs more, is left out [cells]."""

WIDEST = 48
"""No text column but the last is wider [cells]."""


class Grid(Widget, can_focus=True):
    """The rows of one section."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "previous row", show=False),
        Binding("down", "move(1)", "next row", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home,g", "move(-1000000)", "first row", show=False),
        Binding("end,G", "move(1000000)", "last row", show=False),
        Binding("enter", "enter", "deeper", show=False),
    ]

    class Entered(Message):
        """Enter was pressed on a row, or it was clicked twice."""

        def __init__(self, grid: Grid, row: dict[str, Value]) -> None:
            super().__init__()
            self.grid, self.row = grid, row

    class Sorted(Message):
        """The name of a column was clicked."""

        def __init__(self, grid: Grid, column: str) -> None:
            super().__init__()
            self.grid, self.column = grid, column

    def __init__(self, title: str, glyphs: Glyphs, number: int, identifies: Sequence[str] = IDENTIFYING) -> None:
        super().__init__()
        self.heading, self.number = title, number
        self._glyphs, self._identifies = glyphs, identifies
        self.table = Table(said="…" if not glyphs.ascii_only else "...")
        self.order = Order()
        self.stale = False
        self._held = False  # the cursor stays with its row
        self._cursor = self._top = self._left = 0
        self._widths: dict[str, int] = {}
        self._laid: list[tuple[int, str, int, bool]] = []  # place in a row, name, width, whether to the right

    # -- what it shows

    def show(self, table: Table, order: Order) -> None:
        """Other rows, or the same ones with other values."""
        key = self._key(self._cursor) if self._held else None
        if table.names != self.table.names:
            self._widths.clear()
            self._left = 0
        self.table, self.order, self.stale = table, order, False
        if key is not None:
            self._cursor = next((i for i in range(len(table.rows)) if self._key(i) == key), self._cursor)
        self._keep_inside()
        self.refresh()

    def mark_stale(self) -> None:
        """What is shown is of before, until `show`."""
        if not self.stale:
            self.stale = True
            self.refresh()

    @property
    def row(self) -> dict[str, Value] | None:
        """The row under the cursor."""
        if not 0 <= self._cursor < len(self.table.rows):
            return None
        return dict(zip(self.table.names, self.table.rows[self._cursor], strict=True))

    def _key(self, number: int) -> Row | None:
        if not 0 <= number < len(self.table.rows):
            return None
        row = self.table.rows[number]
        return tuple(row[i] for i, name in enumerate(self.table.names) if name in self._identifies)

    # -- where it is

    @property
    def _page(self) -> int:
        return max(1, self.size.height - HEAD)

    def _keep_inside(self) -> None:
        last = len(self.table.rows) - 1
        self._cursor = max(0, min(self._cursor, last))
        self._top = max(0, min(self._top, self._cursor, last))
        self._top = max(self._top, self._cursor - self._page + 1)

    def action_move(self, by: int) -> None:
        """Moves the cursor."""
        self._cursor += by
        self._keep_inside()
        self._held = self._cursor > 0
        self.refresh()

    def action_page(self, by: int) -> None:
        """Moves it by as many rows as are seen."""
        self.action_move(by * self._page)

    def action_enter(self) -> None:
        """Goes deeper from the row under the cursor."""
        if (row := self.row) is not None and not self.table.drawn:
            self.post_message(self.Entered(self, row))

    def sideways(self, by: int) -> None:
        """Moves to columns that have no room."""
        self._left = max(0, min(self._left + by, len(self.table.names) - 2))
        self.refresh()

    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.table.names

    # -- the mouse

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_move(-3)

    def on_click(self, event: events.Click) -> None:
        self.focus()
        if event.y == 1:
            self._click_header(event.x)
        elif event.y >= HEAD and self._top + event.y - HEAD < len(self.table.rows):
            same = self._cursor == self._top + event.y - HEAD
            self._cursor = self._top + event.y - HEAD
            self._held = True
            self.refresh()
            if same and event.chain > 1:
                self.action_enter()

    def _click_header(self, x: int) -> None:
        at = 0
        for _, name, width, _ in self._laid:
            if at <= x < at + width + len(GAP):
                self.post_message(self.Sorted(self, name))
                return
            at += width + len(GAP)

    # -- how it looks

    def render_line(self, y: int) -> Strip:
        """A line of it."""
        width = self.size.width
        if y == 0:
            self._lay_out(width)
            return self._line(self._title(), styles.TITLE, width)
        if self.table.said and not self.table.rows:
            return self._line(f"  {self._glyphs.safe(self.table.said)}" if y == 1 else "", styles.QUIET, width)
        if y == 1:
            return self._header(width)
        number = self._top + y - HEAD
        if number >= len(self.table.rows):
            return Strip.blank(width)
        return self._row(number, width)

    def _title(self) -> str:
        rows, total = len(self.table.rows), self.table.total
        first = self._top + 1
        shown = min(self._page, rows - self._top)
        place = f" {first}-{first + shown - 1} of {total:,}" if rows and shown < total else ""
        if not place and total > 1:
            place = f" {total:,}"
        working = " (of before)" if self.stale and self.table.names else ""
        return self._glyphs.safe(f"{self.heading}{'' if self.table.drawn else place}{working}")

    def _line(self, text: str, style: Style, width: int) -> Strip:
        return Strip([Segment(fit(text, width, self._glyphs.cut), style)], width)

    def _header(self, width: int) -> Strip:
        segments = []
        for _, name, room, right in self._laid:
            is_sorted = name == self.order.column
            label = name + (self._glyphs.up if self.order.reverse else self._glyphs.down) if is_sorted else name
            style = styles.SORTED if is_sorted else styles.HEADER
            segments += [Segment(fit(label, room, self._glyphs.cut, right=right), style), Segment(GAP)]
        return Strip(segments).adjust_cell_length(width)

    def _row(self, number: int, width: int) -> Strip:
        selected = number == self._cursor and self.has_focus
        style = styles.CURSOR if selected else styles.QUIET if self.stale else styles.PLAIN
        row = self.table.rows[number]
        segments = []
        for i, name, room, right in self._laid:
            text = self._glyphs.safe(cell(name, row[i]))
            failed = name == "event" and self._is_failed(row)
            told = style if selected else style + (styles.ALARM if failed else _of(name, row[i]))
            if self.table.drawn and i > 0 and not right:  # a drawing: in reverse it would say the opposite
                told = style = styles.PLAIN
            segments += [Segment(fit(text, room, self._glyphs.cut, right=right), told), Segment(GAP, style)]
        return Strip(segments).adjust_cell_length(width, style)

    def _is_failed(self, row: Row) -> bool:
        return "failed" in self.table.names and bool(row[self.table.names.index("failed")])

    def _lay_out(self, width: int) -> None:
        """Which columns have room, and how much: as wide as what is seen, and never narrower than before."""
        seen = self.table.rows[self._top : self._top + self._page]
        self._laid.clear()
        left = width
        shown = [i for i in range(len(self.table.names)) if i < 1 or i > self._left]
        for i in shown:
            name = self.table.names[i]
            most = max([cell_len(name) + 1, *(cell_len(self._glyphs.safe(cell(name, row[i]))) for row in seen)])
            most = self._widths[name] = max(most, self._widths.get(name, 0))
            right = bool(self.table.numeric[i])
            room = most if right or self.table.drawn else min(most, max(WIDEST, left) if i == shown[-1] else WIDEST)
            if room > left and not (self._laid and left < max(LEAST, len(name) + 1)) and not right:
                room = left
            if room > left:
                break
            self._laid.append((i, name, room, right))
            left -= room + len(GAP)
        self._stretch(left)

    def _stretch(self, left: int) -> None:
        """Gives what is left to the last column of text that could use it."""
        for at in reversed(range(len(self._laid))):
            i, name, room, right = self._laid[at]
            if not right and self._widths[name] > room and left > 0:
                self._laid[at] = (i, name, min(self._widths[name], room + left), right)
                return


def _of(name: str, value: object) -> Style:
    """How a value looks that should be seen."""
    if name == "severity":
        return styles.ALARM if value == "high" else styles.BUSY if value == "medium" else styles.QUIET
    if name == "event":
        return EVENTS.get(str(value), styles.PLAIN)
    if value and name in ("errors", "error", "lost", "signal", "exit_code"):
        return styles.ALARM if name in ("lost", "signal", "error") else styles.BUSY
    return styles.PLAIN
