"""All keys, on a screen of their own."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widget import Widget

from sysmon.analyze.tui import styles
from sysmon.analyze.tui.cells import fit
from sysmon.analyze.tui.glyphs import Glyphs
from sysmon.analyze.tui.keys import GROUPS, Key
from sysmon.analyze.tui.pages import PAGES

KEYS_WIDTH = 15


def lines(*, with_link: bool) -> list[tuple[str, str, Style]]:
    """Key, what it does, and how it looks; a heading has no key."""
    found = [("", "Pages", styles.TITLE)]
    found += [(page.key, f"{page.title}: {page.about}", styles.PLAIN) for page in PAGES if page.key]
    for title, keys in GROUPS:
        found.append(("", title, styles.TITLE))
        found += [(key.shown, key.about, styles.PLAIN) for key in keys if _is_there(key, with_link=with_link)]
    return found


def _is_there(key: Key, *, with_link: bool) -> bool:
    return with_link or not key.writes


class Text(Widget):
    """Lines that are scrolled by number."""

    def __init__(self, glyphs: Glyphs, told: list[tuple[str, str, Style]]) -> None:
        super().__init__()
        self._glyphs, self._told, self.top = glyphs, told, 0

    def scroll_by(self, by: int) -> None:
        """Moves the first line."""
        self.top = max(0, min(self.top + by, len(self._told) - self.size.height))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """A line of it."""
        width = self.size.width
        if self.top + y >= len(self._told):
            return Strip.blank(width)
        key, about, style = self._told[self.top + y]
        if not key:
            return Strip([Segment(fit(about, width, self._glyphs.cut), style)], width)
        rest = max(0, width - KEYS_WIDTH - 2)
        name = fit(self._glyphs.key(key), min(KEYS_WIDTH, max(0, width - 2)), self._glyphs.cut, right=True)
        return Strip([Segment(f"{name}  ", styles.HEADER), Segment(fit(about, rest, self._glyphs.cut), style)]).crop(
            0, width
        )


class Help(ModalScreen[None]):
    """Shows them until a key is pressed that does not scroll."""

    CSS = "Help { background: transparent; } Text { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter,space", "dismiss", show=False),
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "move(-20)", show=False),
        Binding("pagedown", "move(20)", show=False),
    ]

    def __init__(self, glyphs: Glyphs, *, with_link: bool) -> None:
        super().__init__()
        self._text = Text(glyphs, lines(with_link=with_link))

    def compose(self) -> ComposeResult:
        yield self._text

    def action_move(self, by: int) -> None:
        """Scrolls."""
        self._text.scroll_by(by)
