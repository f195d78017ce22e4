"""A cursor moves over snapshots; what it shows is what a report of the same window says, and windows add up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sysmon.analyze.trace.cursor import Cursor
from sysmon.analyze.trace.trace import Trace
from tests import traces
from tests.traces import at, born, calls, row

SAMPLES = Path(__file__).parents[3] / "sample_traces"

CALLS = "SELECT COALESCE(SUM(calls), 0) FROM main.syscall_stats"
OPENS = "SELECT COUNT(*) FROM main.opens"


def one(trace: Trace, query: str) -> int:
    ((found,),) = trace.own(query).fetchall()
    return int(found)


@pytest.fixture
def cursor() -> Iterator[Cursor]:
    with Trace(SAMPLES / "web.parquet") as trace:
        yield Cursor(trace)


def test_begins_at_the_end_and_follows_it(cursor: Cursor) -> None:
    assert cursor.position.follows
    assert cursor.position.at_ns == cursor.position.ended_ns == cursor.position.window.until_ns


def test_the_windows_of_all_steps_add_up_to_the_whole(cursor: Cursor) -> None:
    cursor.trace.move(None, None)
    whole = [one(cursor.trace, query) for query in (CALLS, OPENS)]
    found = [0, 0]
    cursor.position.to(cursor.position.started_ns)
    for _ in range(len(cursor.position.edges) - 1):
        cursor.show()
        found = [n + one(cursor.trace, query) for n, query in zip(found, (CALLS, OPENS), strict=True)]
        cursor.position.by_snapshots(1)
    assert found == whole
    assert all(whole)


def test_a_window_is_at_least_as_wide_as_asked_for_and_ends_at_the_snapshot_of_the_instant(cursor: Cursor) -> None:
    cursor.position.width_ns = 2_500_000_000
    cursor.position.to(int(cursor.position.edges[5]) - 1)
    window = cursor.position.window
    assert window.until_ns == cursor.position.edges[5]
    assert window.since_ns == max(
        edge for edge in cursor.position.edges if edge <= cursor.position.edges[5] - cursor.position.width_ns
    )


def test_events_are_cut_at_the_instant_itself(cursor: Cursor) -> None:
    instant = int(cursor.position.edges[3]) - 123_456_789
    cursor.position.to(instant)
    assert cursor.position.events.until_ns == instant
    cursor.show_events()
    ((last,),) = cursor.trace.own("SELECT MAX(EPOCH_NS(ts)) FROM main.opens").fetchall()
    assert last <= instant


def test_stays_in_the_trace(cursor: Cursor) -> None:
    cursor.position.by(10**18)
    assert cursor.position.at_ns == cursor.position.ended_ns
    cursor.position.by(-(10**18))
    assert cursor.position.at_ns == cursor.position.started_ns
    assert cursor.position.window.since_ns == cursor.position.started_ns
    cursor.position.by_snapshots(-3)
    assert cursor.position.window.until_ns == cursor.position.edges[1]


def test_a_trace_without_snapshots_is_one_interval(tmp_path: Path) -> None:
    start = born(1)
    rows = [calls(at(2), 7, start, "read", 3, 5), row("exit", at(3), pid=7, start=start)]
    with Trace(traces.write(tmp_path / "t.parquet", rows)) as trace:
        cursor = Cursor(trace)
        assert cursor.show().seconds == traces.LENGTH_S
        assert one(trace, CALLS) == 5
