"""The mouse does what keys do; Ctrl-Z gives the terminal away only if nothing is recorded."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from sysmon.analyze.tui.app import Viewer
from sysmon.analyze.tui.grid import HEAD, Grid
from tests.screens import SAMPLES, drive, settled


def test_a_click_sorts_and_chooses_and_a_second_goes_deeper() -> None:
    async def look(viewer: Viewer, pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await settled(viewer, pilot)
        await pilot.click(Grid, offset=(6, 1))  # the gap after `pid` belongs to it
        await settled(viewer, pilot)
        assert viewer.trail.here.order(0).column == "pid"
        await pilot.click(Grid, offset=(3, HEAD + 2))
        row = viewer.grids[0].row
        assert row is not None
        assert row["pid"] == viewer.grids[0].table.rows[2][0]
        await pilot.click(Grid, offset=(3, HEAD + 2), times=2)
        await settled(viewer, pilot)
        assert viewer.trail.here.scope.pids == (row["pid"],)

    drive(SAMPLES / "slow_disk.parquet", look)


class Recorder:
    """What can be asked of one."""

    def mark(self, text: str) -> None: ...

    def save(self, since_ns: int, until_ns: int) -> str:
        return ""

    def end(self) -> None: ...


@pytest.mark.parametrize("is_live", [False, True])
def test_the_shell_gets_the_terminal_only_if_nothing_is_recorded(
    is_live: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[bool] = []
    monkeypatch.setattr(Viewer, "action_suspend_process", lambda _viewer: stopped.append(True))

    async def look(viewer: Viewer, pilot: Pilot[None]) -> None:
        viewer.link = Recorder() if is_live else None
        await pilot.press("ctrl+z")
        assert bool(stopped) != is_live
        assert ("a recording goes on" in viewer.message.text) == is_live

    drive(SAMPLES / "slow_disk.parquet", look)
