"""The screen: its numbers are those of reports, it goes where keys say, and nothing in a trace can act on it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from textual.pilot import Pilot

from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.trace import Trace
from sysmon.analyze.tui.app import Viewer
from sysmon.analyze.tui.glyphs import ASCII
from sysmon.analyze.tui.pages import PAGES, SPLIT, Page
from sysmon.analyze.tui.shaping import columns_of
from sysmon.commands import cli
from tests import traces
from tests.golden.sample import rows as sample_rows
from tests.screens import SAMPLES, drawn, drive, lines, settled

PAGE_KEYS = "1234567890hi"


def instants(viewer: Viewer, count: int) -> Sequence[int]:
    assert viewer.position is not None
    edges = viewer.position.edges
    return [int(ns) for ns in np.linspace(edges[0] + 1, edges[-1], count)]


def rows_of_report(trace: Trace, report: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
    with trace.reading():
        result = Result.of(trace.own(f"FROM {report if '.' in report else f'report.{report}'}"))
        at = [result.names.index(name) for name in columns]
        return [tuple(row[i] for i in at) for row in result.rows]


@pytest.mark.parametrize("sample", ["web", "slow_disk"])
def test_numbers_are_those_of_reports_of_the_same_window(sample: str) -> None:
    path = SAMPLES / f"{sample}.parquet"

    async def look(viewer: Viewer, pilot: Pilot[None]) -> None:
        with Trace(path) as trace:
            for number, ns in enumerate(instants(viewer, 10)):
                page = [page for page in PAGES if page.key][number % 10]
                viewer.go_to(ns)
                await viewer.action_page(page.name)
                await settled(viewer, pilot)
                assert_numbers_are_those_of_reports(viewer, page, trace)

    drive(path, look)


def assert_numbers_are_those_of_reports(viewer: Viewer, page: Page, trace: Trace) -> None:
    assert viewer.shown is not None
    window = viewer.shown.window
    assert viewer.position is not None
    ends = window.until_ns == viewer.position.ended_ns
    begins = window.since_ns == viewer.position.started_ns
    trace.move(None if begins else window.since_ns + 1, None if ends else window.until_ns + 1)
    for section, grid in zip(page.sections, viewer.grids, strict=True):
        if section.report == SPLIT or section.drawn or section.where or grid.table.said:
            continue
        columns = columns_of(section)
        expected = rows_of_report(trace, section.report, columns)
        assert grid.table.names == columns
        assert grid.table.total == len(expected)
        assert list(grid.table.rows) == expected[:1000]


def test_every_page_fits_every_terminal_and_is_ascii_without_utf_8(tmp_path: Path) -> None:
    async def look(viewer: Viewer, pilot: Pilot[None]) -> None:
        for key in (*PAGE_KEYS, "question_mark"):
            await pilot.press(key)
            assert "".join(lines(viewer)).isascii()
            await settled(viewer, pilot)
            for width, height in ((40, 12), (250, 80), (80, 24)):
                await pilot.resize_terminal(width, height)
                await drawn(pilot)
                shown = lines(viewer)
                assert len(shown) == height
                assert "".join(shown).isascii()
                assert any(grid.display and grid.size.height >= 3 for grid in viewer.grids)

    drive(traces.write(tmp_path / "t.parquet", sample_rows()), look, glyphs=ASCII)


# -- what keys do, on one screen: it takes a second to open


def test_what_keys_do() -> None:
    async def look(viewer: Viewer, pilot: Pilot[None]) -> None:
        for step in (goes_deeper, is_chosen_and_sorted, refuses, jumps, splits, says_why):
            assert viewer.position is not None
            viewer.go_to(viewer.position.edges[1])
            await pilot.press("1")
            await step(viewer, pilot)

    drive(SAMPLES / "build.parquet", look)


async def goes_deeper(viewer: Viewer, pilot: Pilot[None]) -> None:
    """And comes back at the same time."""
    assert viewer.position is not None
    await pilot.press("2", "right", "right")
    await settled(viewer, pilot)
    at = viewer.position.at_ns
    row = viewer.grids[0].row
    assert row is not None
    await pilot.press("enter")
    await settled(viewer, pilot)
    assert viewer.trail.here.page == "process"
    assert viewer.trail.here.scope.pids == (row["pid"],)
    assert {r[0] for r in viewer.grids[0].table.rows} == {row["pid"]}
    await pilot.press("tab", "tab", "enter")
    await settled(viewer, pilot)
    assert viewer.trail.here.page == "call"
    assert viewer.trail.here.scope.pids == (row["pid"],)
    await pilot.press("escape", "escape")
    await settled(viewer, pilot)
    assert viewer.trail.here.page == "processes"
    assert viewer.position.at_ns == at


async def is_chosen_and_sorted(viewer: Viewer, pilot: Pilot[None]) -> None:
    """Rows are chosen, sorted, folded and put into a tree."""
    await pilot.press("2")
    await settled(viewer, pilot)
    grid = viewer.grids[0]
    everything = grid.table.total
    await pilot.press("slash", *"CC1", "enter")
    await settled(viewer, pilot)
    names = grid.table.names
    assert 0 < grid.table.total < everything
    assert all("cc1" in " ".join(map(str, row)) for row in grid.table.rows)
    await pilot.press("escape", "ampersand", *"syscalls > 1000 AND comm = 'cc1'", "enter")
    await settled(viewer, pilot)
    calls = [row[names.index("syscalls")] for row in grid.table.rows]
    assert calls
    assert min(calls) > 1000  # type: ignore[type-var, operator]
    await pilot.press("escape", "greater_than_sign", "greater_than_sign", "greater_than_sign", "r")
    await settled(viewer, pilot)
    shares = [row[names.index("cpu_pct")] for row in grid.table.rows]
    assert viewer.trail.here.order(0).column == "cpu_pct"
    known = [share for share in shares if share is not None]
    assert known == sorted(known)  # type: ignore[type-var]
    await pilot.press("F")
    await settled(viewer, pilot)
    folded = {row[0]: row[1] for row in grid.table.rows}
    assert sum(folded.values()) == everything  # type: ignore[arg-type]
    await pilot.press("v")
    await settled(viewer, pilot)
    assert any(str(row[names.index("comm")]).startswith("    cc1") for row in grid.table.rows)


async def refuses(viewer: Viewer, pilot: Pilot[None]) -> None:
    """A wrong expression is told and changes nothing."""
    await pilot.press("2", "ampersand", *"(SELECT 1)", "enter")
    await settled_message(viewer, pilot)
    assert "&" in viewer.message.text


async def settled_message(viewer: Viewer, pilot: Pilot[None]) -> None:
    for _ in range(500):
        await pilot.pause(0.01)
        if viewer.message.text:
            return


async def jumps(viewer: Viewer, pilot: Pilot[None]) -> None:
    """To failures and findings."""
    await settled(viewer, pilot, ticks=True)
    assert viewer.position is not None
    failures = [tick for tick in viewer.timeline.ticks if tick.what == "failure"]
    assert failures
    await pilot.press("x")
    assert viewer.position.at_ns == failures[0].ns
    viewer.go_to(viewer.position.started_ns)
    await pilot.press("n", "i")
    await settled(viewer, pilot)
    assert viewer.grids[0].table.total > 0


async def splits(viewer: Viewer, pilot: Pilot[None]) -> None:
    """A measure is split further and back."""
    await pilot.press("P", *["backspace"] * 40, *"calls by comm", "enter")
    await settled(viewer, pilot)
    first = viewer.grids[0].table
    await pilot.press("enter")
    await settled(viewer, pilot)
    deeper = viewer.grids[0].table
    assert sum(row[-2] for row in deeper.rows) == first.rows[0][1]  # type: ignore[misc]
    await pilot.press("escape", "D")
    await settled(viewer, pilot)
    assert [row[0] for row in viewer.grids[0].table.rows] == [row[0] for row in first.rows[1:]]


async def says_why(viewer: Viewer, pilot: Pilot[None]) -> None:
    """A split without rows."""
    await pilot.press("p")
    await settled(viewer, pilot)
    assert "recorded without" in viewer.grids[0].table.said


# -- time, and what is copied


def test_the_window_goes_where_time_keys_say(tmp_path: Path) -> None:
    async def look(viewer: Viewer, pilot: Pilot[None]) -> None:
        position = viewer.position
        assert position is not None
        edges = position.edges
        assert position.window.until_ns == edges[1]
        await pilot.press("right", "t", "right", "T")
        assert position.window.until_ns == edges[3]
        await pilot.press("plus")
        assert position.window.seconds == (edges[3] - edges[0]) / 1e9  # there is no more
        await pilot.press("minus", "colon", *"2s", "enter")
        assert position.at_ns == position.started_ns + 2 * 10**9
        await pilot.press("shift+right")
        assert position.at_ns == position.started_ns + 3 * 10**9
        await pilot.press("colon", *"+1500ms", "enter", "colon", *"-500ms", "enter")
        assert position.at_ns == position.started_ns + 4 * 10**9
        await pilot.press("L")
        assert position.at_ns == edges[-1]
        await pilot.press("colon", *"yesterday", "enter")
        assert "not a time" in viewer.message.text

    rows = [traces.row("clock", traces.at(s), event="snapshot") for s in range(11)]
    drive(traces.write(tmp_path / "t.parquet", rows), look)


def test_what_is_copied_shows_the_same() -> None:
    async def look(viewer: Viewer, pilot: Pilot[None]) -> None:
        await pilot.press("3", "right")
        await settled(viewer, pilot)
        for key in ("c", "C"):
            await pilot.press(key)
            assert_shows_the_same(viewer)

    drive(SAMPLES / "web.parquet", look)


def assert_shows_the_same(viewer: Viewer) -> None:
    rows = viewer.grids[0].table.rows
    words = shlex.split(viewer.clipboard)
    assert words[0] == "sysmon"
    words = [str(SAMPLES / "web.parquet") if word == "trace.parquet" else word for word in words[1:]]
    told = CliRunner().invoke(cli, [*words, "--format", "csv"])
    assert told.exit_code == 0, told.output
    assert len(told.stdout.splitlines()) == len(rows) + 1
    assert [line.split(",")[0] for line in told.stdout.splitlines()[1:]] == [row[0] for row in rows]


class Followed:
    """A link that notes whether events are followed."""

    def __init__(self) -> None:
        self.said: list[bool] = []

    def follow_events(self, on: bool) -> None:
        self.said.append(on)

    def mark(self, text: str) -> None:
        raise AssertionError(text)

    def save(self, since_ns: int, until_ns: int) -> str:
        raise AssertionError(since_ns, until_ns)

    def end(self) -> None:
        raise AssertionError


def test_the_recorder_is_asked_for_events_only_where_they_are_seen() -> None:
    link = Followed()

    async def look(viewer: Viewer, _pilot: Pilot[None]) -> None:
        viewer.link = link
        for page in ("processes", "events", "syscalls", "events"):
            await viewer.action_page(page)

    drive(SAMPLES / "web.parquet", look)
    assert link.said == [False, True, False, True]
