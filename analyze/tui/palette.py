"""The command palette: pages, reports and keys by what they do."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider

from sysmon.analyze.trace.reports import reports
from sysmon.analyze.tui.keys import EVERY
from sysmon.analyze.tui.pages import PAGES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Palette(Provider):
    """Finds them. All texts are ours."""

    async def discover(self) -> Hits:
        for title, about, run in self._commands():
            yield DiscoveryHit(title, run, help=about)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, about, run in self._commands():
            score = max(matcher.match(title), matcher.match(about) * 0.8)
            if score > 0:
                yield Hit(score, matcher.highlight(title), run, help=about)

    def _commands(self) -> Iterator[tuple[str, str, Callable[[], Awaitable[object]]]]:
        for page in PAGES:
            if page.key:
                yield page.title, page.about, partial(self.app.run_action, f"page('{page.name}')")
        for report in reports():
            yield f"report {report.name}", report.title, partial(self.app.run_action, f"page('{report.name}')")
        for key in EVERY:
            if key.action and key.action != "command_palette":
                yield key.about, f"key {key.shown}", partial(self.app.run_action, key.action)
