"""Nothing in a trace acts on the screen: its texts are cells, never markup, and what is copied is one word."""

from __future__ import annotations

import shlex
from pathlib import Path

from textual.pilot import Pilot

from sysmon.analyze.tui.app import Viewer
from sysmon.analyze.tui.pages import PAGES, Page
from sysmon.safe_text import ACTING
from tests import hostile, traces
from tests.screens import drive, lines, settled, strips

DEEPER = ("process", "call", "threads")


def leads_to(page: Page) -> str | None:
    """The page that Enter opens."""
    return page.sections[0].opens.page if page.sections[0].opens else None


def assert_inert(viewer: Viewer) -> None:
    for strip in strips(viewer):
        assert not ACTING.search(strip.text)
        for segment in strip:
            assert not segment.control
            assert not segment.style or not {key for key in segment.style.meta if key.startswith("@")}
            assert not segment.style or not segment.style.link


def test_hostile_texts_are_cells_on_every_page_and_so_is_what_people_type(tmp_path: Path) -> None:
    async def look(viewer: Viewer, pilot: Pilot[None]) -> None:
        viewer.action_wider(5)
        seen: set[str | None] = {None}
        for page in PAGES:
            if page.name in DEEPER:
                continue
            await viewer.action_page(page.name)
            await settled(viewer, pilot)
            assert_inert(viewer)
            await pilot.press("c")
            assert viewer.clipboard.isprintable()
            assert shlex.split(viewer.clipboard)[0] == "sysmon"
            if leads_to(page) not in seen:  # to be opened anew, each takes a second
                seen.add(leads_to(page))
                await pilot.press("enter")
                await settled(viewer, pilot)
                assert_inert(viewer)
        await pilot.press("slash", *"[@click=app.quit]x[/]", "enter")
        await settled(viewer, pilot)
        assert_inert(viewer)
        assert any("/[@click=app.quit]x[/]" in line for line in lines(viewer))
        assert viewer.is_running

    drive(hostile.trace(tmp_path / "trace.parquet"), look, size=(160, 50))


def test_times_at_the_ends_of_what_can_be_stored(tmp_path: Path) -> None:
    extreme = [1 - 2**63, -(2**63) + 2, 0, traces.T0, 2**63 - 2, 2**63 - 1]  # the ends are infinity
    rows = [traces.row(kind, ts, pid=7, start=1) for ts in extreme for kind in ("exit", "fork")]
    rows += [traces.row("clock", ts, event="snapshot") for ts in extreme]

    async def look(viewer: Viewer, pilot: Pilot[None]) -> None:
        await pilot.press("e", "right", "right", "plus", "left", "L", "ctrl+right", "2")
        await settled(viewer, pilot)
        assert not viewer.failed

    drive(traces.write(tmp_path / "trace.parquet", rows), look)
