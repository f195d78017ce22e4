"""The timeline: what is busy, what is looked at and what there is to jump to can be told apart."""

from __future__ import annotations

from textual.pilot import Pilot

from sysmon.analyze.tui import styles
from sysmon.analyze.tui.app import Viewer
from sysmon.analyze.tui.glyphs import ASCII
from tests.screens import SAMPLES, drive, lines, settled, strips


def test_the_window_is_marked_without_colours_and_not_as_if_it_were_busy() -> None:
    async def look(viewer: Viewer, pilot: Pilot[None]) -> None:
        await settled(viewer, pilot, ticks=True)
        assert viewer.window is not None
        first, last = (viewer.timeline.column_of(ns) for ns in (viewer.window.since_ns, viewer.window.until_ns))
        marks = lines(viewer)[3]
        assert marks[last] == "┃"
        assert {i for i, mark in enumerate(marks) if mark == "─"} == set(range(first + 1, last))
        bars = [segment.style for strip in strips(viewer)[1:3] for segment in strip]
        assert styles.WINDOW in bars
        assert not any(style and style.reverse for style in bars)

    drive(SAMPLES / "slow_disk.parquet", look)


def test_on_a_low_screen_it_has_what_there_is_to_jump_to() -> None:
    async def look(viewer: Viewer, pilot: Pilot[None]) -> None:
        await settled(viewer, pilot, ticks=True)
        assert lines(viewer)[1].startswith("f---")
        assert "|" in lines(viewer)[1]

    drive(SAMPLES / "slow_disk.parquet", look, size=(40, 12), glyphs=ASCII)
