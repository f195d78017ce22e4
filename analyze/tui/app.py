"""The application: a screen, and what can be asked of a recorder from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import ClassVar

from sysmon.analyze.trace.position import Window
from sysmon.analyze.tui.browsing import Browsing
from sysmon.analyze.tui.grid import Grid
from sysmon.analyze.tui.help import Help
from sysmon.analyze.tui.links import Link
from sysmon.analyze.tui.pages import SPLIT
from sysmon.analyze.tui.palette import Palette
from sysmon.errors import SysmonError
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
        """Writes what is kept as a trace, or the part that was marked, or says how to."""
        if self.position is None or self.shown is None:
            return
        if self.link is None:
            options = self.shown.options
            self._copy_text(shell_command(["sysmon", "slice", self._called(), "-o", "OUT.parquet", *options]))
            return
        window = self.marked or Window(self.position.started_ns, self.position.last_ns + 1)
        self.say("writing the part that is marked" if self.marked else "writing what is kept")
        save = partial(self._save, self.link, window)
        self.run_worker(save, thread=True, exclusive=True, group="save")

    def _save(self, link: Link, window: Window) -> None:
        """Called in a thread of its own: it takes as long as it takes."""
        try:
            name = link.save(window.since_ns, window.until_ns)
        except SysmonError as error:
            self.call_from_thread(self.say, str(error), alarm=True)
        else:
            self.call_from_thread(self.say, f"wrote {name}")

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
        grid, options = self._to_copy(), self.shown.options
        place = replace(self.shown.question.place, where=grid.table.where)
        section = self.section(grid)
        if section.report == SPLIT:
            self._copy_text(copied.pivot_command(self._called(), place, options))
        else:
            self._copy_text(make(self._called(), section, place, grid.number, options))

    def _to_copy(self) -> Grid:
        """The table with the focus, or the first that has rows."""
        focused = self.focused_grid
        return next((grid for grid in (focused, *self.grids) if grid.table.names), focused)

    def _called(self) -> str:
        """What a command calls the trace; of a recording without a file there is none before `w` writes one."""
        return self.file or "TRACE"

    def _copy_text(self, text: str) -> None:
        self.copy_to_clipboard(text)
        self.say(f"copied: {text}")

    def action_pause_program(self) -> None:
        """Gives the terminal to the shell. Not while it is recorded: the shell waits for whoever started us."""
        if self.link is None:
            self.action_suspend_process()
        else:
            self.say("a recording goes on: q ends it")

    def action_help(self) -> None:
        """All keys."""
        self.push_screen(Help(self.glyphs, with_link=self.link is not None))
