"""The application: a screen, and what can be asked of a recorder from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from sysmon.analyze.tui.browsing import Browsing
from sysmon.analyze.tui.help import Help
from sysmon.analyze.tui.pages import SPLIT
from sysmon.analyze.tui.palette import Palette
from sysmon.safe_text import shell_command


class Viewer(Browsing):
    """A screen on a trace."""

    ENABLE_COMMAND_PALETTE = True
    COMMANDS: ClassVar = {Palette}

    def action_ask_mark(self) -> None:
        """Asks for the text of a mark."""
        if self.link is None:
            self.say("nothing is recorded here; `sysmon note` adds notes to a trace")
        else:
            self.ask_for("mark this instant of the recording: deploy 42", self.link.mark)

    def action_save(self) -> None:
        """Writes the window as a trace, or says how to."""
        if self.window is None:
            return
        if self.link is not None:
            self.say(self.link.save(self.window.since_ns, self.window.until_ns))
        elif self.shown is not None:
            options = self.shown.options
            self._copy_text(shell_command(["sysmon", "slice", self.name_of_trace, "-o", "OUT.parquet", *options]))

    def action_copy(self) -> None:
        """Copies the command that shows the same."""
        from sysmon.analyze.tui import copied

        self._copy(copied.command)

    def action_copy_sql(self) -> None:
        """Copies it as a query."""
        from sysmon.analyze.tui import copied

        self._copy(copied.sql_command)

    def _copy(self, make: Callable[..., str]) -> None:
        from sysmon.analyze.tui import copied

        if self.shown is None:
            return
        grid, place, options = self.focused_grid, self.shown.question.place, self.shown.options
        section = self.section(grid)
        if section.report == SPLIT:
            self._copy_text(copied.pivot_command(self.name_of_trace, place, options))
        else:
            self._copy_text(make(self.name_of_trace, section, place, grid.number, options))

    def _copy_text(self, text: str) -> None:
        self.copy_to_clipboard(text)
        self.say(f"copied: {text}")

    def action_help(self) -> None:
        """All keys."""
        self.push_screen(Help(self.glyphs, with_link=self.link is not None))
