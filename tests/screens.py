"""Drives a screen on a trace as somebody at a terminal would, without one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pyarrow as pa
from textual.pilot import Pilot
from textual.strip import Strip

from sysmon.analyze.trace.trace import Trace
from sysmon.analyze.tui.app import Viewer
from sysmon.analyze.tui.glyphs import UNICODE, Glyphs

SAMPLES = Path(__file__).parents[1] / "sample_traces"

PATIENCE_S = 60
"""On a busy machine; a screen that is idle answers in a tenth of a second."""

LOOK_S = 0.02

OPENING = ("…", "...")
"""What a table says until it has an answer."""

Drive = Callable[[Viewer, Pilot[None]], Awaitable[None]]


async def settled(viewer: Viewer, pilot: Pilot[None], *, ticks: bool = False) -> None:
    """Waits until what was asked for is there; `ticks`: and all that the timeline shows."""
    await drawn(pilot)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await pilot.pause(LOOK_S)
            if viewer.failed or (has_answer(viewer) and not (ticks and viewer.reader.has_more)):
                break
    await drawn(pilot)


def has_answer(viewer: Viewer) -> bool:
    """Whether all tables of the page show what was asked for last: a page has its tables before it asks."""
    return viewer.is_settled() and not any(grid.table.said in OPENING for grid in viewer.grids)


async def drawn(pilot: Pilot[None]) -> None:
    """Waits until widgets have taken all messages, and those that these sent: not for the thread that reads."""
    for _ in range(3):
        await pilot.pause(0)


def drive(
    path: Path | pa.Table,
    drive: Drive,
    *,
    size: tuple[int, int] = (120, 40),
    glyphs: Glyphs = UNICODE,
    at: str | None = None,
) -> Viewer:
    """A screen of this size on a trace; returns it when it is closed."""
    viewer = Viewer(lambda: Trace(path), file="trace.parquet", glyphs=glyphs, at=at)

    async def run() -> None:
        async with viewer.run_test(size=size) as pilot:
            await settled(viewer, pilot)
            await drive(viewer, pilot)

    try:
        asyncio.run(run())
    finally:
        viewer.leave()
    assert not viewer.reader.is_alive()
    return viewer


def strips(viewer: Viewer) -> list[Strip]:
    """The lines of the screen."""
    found = viewer.screen._compositor.render_strips()  # as textual's own snapshots are made
    assert len(found) == viewer.size.height
    return found


def lines(viewer: Viewer) -> list[str]:
    """What the terminal shows."""
    return [strip.text for strip in strips(viewer)]
