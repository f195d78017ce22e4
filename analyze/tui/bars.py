"""Lines of text above and below the tables."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from rich.cells import cell_len
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
        self._keys: list[tuple[str, str]] = []

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
        """Keys and what they do. Where not all have room, the last ones are left out, but not the very last two."""
        self._keys = [(f" {self._glyphs.key(key)} ", f"{about} ") for key, about in keys]
        self.refresh()

    def _fitting(self, width: int) -> list[tuple[str, Style]]:
        """Those keys that have room."""
        left = width - sum(map(_length, self._keys[-2:]))
        ends = accumulate(map(_length, self._keys[:-2]))
        shown = [*(key for key, end in zip(self._keys, ends, strict=False) if end <= left), *self._keys[-2:]]
        return [part for key, about in shown for part in ((key, styles.KEY), (about, styles.PLAIN))]

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(text for text, _ in self.segments).rstrip()

    def render_line(self, y: int) -> Strip:
        """The line."""
        left = self.size.width
        found = []
        for text, style in self._fitting(left) if self._keys else self.segments:
            if left > 0:
                strip = Strip([Segment(text, style)])
                room = min(strip.cell_length, left)
                found.append(Segment(fit(text, room, self._glyphs.cut), style))
                left -= room
        return Strip(found).adjust_cell_length(self.size.width)


def _length(key: tuple[str, str]) -> int:
    return sum(map(cell_len, key))
