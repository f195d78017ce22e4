"""A recording that still runs: what the screen shows of it is what the finished trace shows of the same window."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from textual.pilot import Pilot

from sysmon.analyze.trace import cursor
from sysmon.analyze.trace.trace import Trace
from sysmon.analyze.tui import reading, tables
from sysmon.analyze.tui.answers import Shown, Table
from sysmon.analyze.tui.app import Viewer
from sysmon.analyze.tui.pages import page_named
from sysmon.analyze.tui.places import Place
from sysmon.bpf.trace_file import journal
from tests.growing import Recorder
from tests.screens import drive, settled

PAGES = ("processes", "syscalls", "files", "cgroups", "losses", "events")

PIECES = 12


async def grown(viewer: Viewer, pilot: Pilot[None], to_ns: int) -> None:
    for _ in range(2_000):
        await pilot.pause(0.01)
        if viewer.position is not None and viewer.position.last_ns >= to_ns:
            break
    await settled(viewer, pilot)


def again(trace: Trace, shown: Shown) -> tuple[Table, ...]:
    """What the finished trace has at the same instant."""
    question = shown.question
    page, place = page_named(question.place.page), question.place
    cursor.move(trace, shown.window, question.position)
    return tuple(tables.read(trace, page, place, n, (80, True)) for n in range(len(page.sections)))


def test_what_live_showed_is_what_the_finished_trace_replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SMALL_JOURNAL_BYTES", 20_000)
    monkeypatch.setattr(reading, "MOST_PAUSE_S", 0.1)
    path = tmp_path / "t.parquet"
    seen: list[Shown] = []
    with closing(Recorder(path, "web", PIECES)) as recorder:

        async def look(viewer: Viewer, pilot: Pilot[None]) -> None:
            assert viewer.position is not None
            assert viewer.position.follows
            for number in range(PIECES):
                recorder.add()
                recorder.commit()
                await viewer.action_page(PAGES[number % len(PAGES)])
                await grown(viewer, pilot, recorder.at_ns)
                assert viewer.shown is not None
                if viewer.position.goes_on and len(viewer.position.edges) > 2:
                    seen.append(viewer.shown)
            recorder.finish()
            for _ in range(1_000):
                await pilot.pause(0.01)
                if not viewer.position.goes_on:
                    break
            assert not viewer.position.goes_on
            assert "has ended" in viewer.message.text
            await settled(viewer, pilot)

        drive(path, look)
    assert len({shown.question.place for shown in seen}) == len(PAGES)
    with Trace(path) as trace:
        for shown in seen:
            if shown.question.place != Place("cgroups"):  # a group's name may come later
                assert [t.rows for t in again(trace, shown)] == [t.rows for t in shown.tables], shown.question


def test_a_killed_recorder_leaves_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with closing(Recorder(path, "convoy", 2)) as recorder:
        recorder.add()
        recorder.commit()

        async def look(viewer: Viewer, pilot: Pilot[None]) -> None:
            recorder.kill()
            for _ in range(1_000):
                await pilot.pause(0.01)
                if viewer.position is not None and not viewer.position.goes_on:
                    break
            assert "cut off" in viewer.message.text
            await pilot.press("2", "left")
            await settled(viewer, pilot)
            assert viewer.grids[0].table.total

        drive(path, look)


def test_the_first_frame_waits_for_nothing_that_reads() -> None:
    code = "import sys, sysmon.analyze.tui.app; print(*{'duckdb', 'numpy', 'pandas', 'pyarrow'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not told.stdout.strip()
