"""The line of keys."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from sysmon.analyze.tui.app import Viewer
from tests.screens import SAMPLES, drive, lines


@pytest.mark.parametrize("width", [40, 80, 120])
def test_how_to_get_help_and_to_leave_is_there_on_any_screen(width: int) -> None:
    async def look(viewer: Viewer, pilot: Pilot[None]) -> None:
        shown = lines(viewer)[-1].rstrip()
        assert shown.startswith(" Space play  ")
        assert shown.endswith(" ? keys  q quit")

    drive(SAMPLES / "slow_disk.parquet", look, size=(width, 12))
