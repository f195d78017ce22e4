"""Lines of text above and below the tables."""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from sysmon.analyze.tui import styles
from sysmon.analyze.tui.cells import fit
from sysmon.analyze.tui.glyphs import Glyphs

STYLES = {
    "title": styles.TITLE,
    "quiet": styles.QUIET,
    "good": styles.GOOD,
    "busy": styles.BUSY,
    "alarm": styles.ALARM,
    "key": styles.KEY,
    "": styles.PLAIN,
}


class Line(Widget):
    """One line; what does not fit is cut at its end."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self.segments: list[tuple[str, Style]] = []

    def say(self, text: str, *, alarm: bool = False, title: bool = False) -> None:
        """A text."""
        self.parts([(text, "alarm" if alarm else "title" if title else "")])

    def parts(self, parts: Iterable[tuple[str, str]]) -> None:
        """Texts with the names of their styles, a gap between them."""
        segments = [(f"{self._glyphs.safe(text)}  ", STYLES[style]) for text, style in parts]
        if segments != self.segments:
            self.segments = segments
            self.refresh()

    def keys(self, keys: Iterable[tuple[str, str]]) -> None:
        """Keys and what they do."""
        self.segments = []
        for key, about in keys:
            self.segments += [(f" {self._glyphs.key(key)} ", styles.KEY), (f"{about} ", styles.PLAIN)]
        self.refresh()

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(text for text, _ in self.segments).rstrip()

    def render_line(self, y: int) -> Strip:
        """The line."""
        left = self.size.width
        found = []
        for text, style in self.segments:
            if left > 0:
                strip = Strip([Segment(text, style)])
                room = min(strip.cell_length, left)
                found.append(Segment(fit(text, room, self._glyphs.cut), style))
                left -= room
        return Strip(found).adjust_cell_length(self.size.width)
