"""Where a command writes: a terminal with its width and colours, or a pipe, where nothing is cut or coloured."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

from sysmon import streams
from sysmon.analyze.text import formats
from sysmon.safe_text import shown

if TYPE_CHECKING:
    from sysmon.analyze.trace.result import Result

LINES = 40
"""The height of what is no terminal."""

BOLD, ALARM, QUIET = "1", streams.ALARM, "2"
"""Parameters of ECMA-48's Select Graphic Rendition: bold, bold red, faint."""


class Screen:
    """Standard output."""

    def __init__(self) -> None:
        self.stream = sys.stdout
        self.is_terminal = self.stream.isatty()
        size = shutil.get_terminal_size((100, LINES)) if self.is_terminal else None
        self.width = size.columns if size else None
        self.height = size.lines if size else LINES
        self.cut = formats.CUT if self.can_write(formats.CUT) else ">"
        self.colours = streams.colours(self.stream)

    def can_write(self, text: str) -> bool:
        """Whether the stream's encoding has all of these characters."""
        try:
            text.encode(self.stream.encoding)
        except UnicodeEncodeError:
            return False
        return True

    def line(self, text: str = "", style: str = "") -> None:
        """Writes a line, which must be safe to show."""
        if style and self.colours:
            streams.styled(self.stream, text, style)
            self.stream.write("\n")
        else:
            self.stream.write(f"{text}\n")

    def rows(self, result: Result, form: str, limit: int | None) -> None:
        """Writes at most this many rows in the format; a table says how many more there are."""
        if form != "table":
            formats.write(formats.limited(result, limit), form, self.stream)
            return
        self.table(result, limit, self.width)

    def table(self, result: Result, limit: int | None, width: int | None) -> None:
        """Writes a table that fits the width."""
        rows = -1
        unseen: list[str] = []
        for page in formats.table_pages(result, limit, width, self.cut, unseen):
            for line in page:
                self.line(line, BOLD if rows < 0 else "")
                rows += 1
        left_out = result.count_rest()
        if not rows and not left_out:
            self.line("(no rows)", QUIET)
        if left_out:
            self.line(f"({left_out} more; --limit sets how many are shown)", QUIET)
        self.unseen(unseen)
        if rows and result.legend:
            self.line(result.legend, QUIET)

    def unseen(self, names: list[str]) -> None:
        """Says which columns of a table did not fit on the screen."""
        if names:
            text = f"(no room for {', '.join(names)}: widen the terminal, or --format csv, json or markdown)"
            for line in textwrap.wrap(shown(text), self.width or len(text)):
                self.line(line, QUIET)
