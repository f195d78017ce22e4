"""The line that says where the time of threads went."""

from pathlib import Path
from typing import Any

import sysmon
from sysmon.analyze.text import thread_states
from tests import traces
from tests.traces import Row, at, born, row

S = 10**9


def spent(tid: int, waited_for: str, **columns: Any) -> Row:
    given = {"oncpu_ns": 0, "occupied_ns": 0, "waits": 1, "waited_ns": 0, "max_waited_ns": 0, "ready_ns": 0}
    before = {"waited_before_ns": 0, "ready_before_ns": 0}
    return row(
        "cpu", at(1), pid=7, start=born(0), tid=tid, thread="t", waited_for=waited_for, **given | before | columns
    )


def line(tmp_path: Path, *rows: Row) -> str:
    clocks = [row("clock", at(second), event="snapshot", boottime_ns=0) for second in (0, 1)]
    with sysmon.open(traces.write(tmp_path / "t.parquet", [*clocks, *rows])) as trace:
        return thread_states.line(trace)


def test_the_largest_states_come_first_and_those_at_rest_last(tmp_path: Path) -> None:
    rows = [
        spent(1, "disk", waited_ns=round(0.6 * S), oncpu_ns=S // 10, occupied_ns=S // 10, ready_ns=S // 20),
        spent(2, "lock", waited_ns=round(0.9 * S)),
        spent(3, "lock", waited_ns=round(0.2 * S)),
        spent(4, "poll", waited_ns=round(0.8 * S)),
        spent(5, "sleep", waited_ns=round(0.1 * S)),
        spent(6, "network", waited_ns=S // 1000),
    ]
    assert line(tmp_path, *rows) == "0.10 s running, 1.10 s lock, 0.60 s disk, 0.05 s runnable; 0.90 s at rest"


def test_a_thread_that_waits_through_all_of_the_window_rests(tmp_path: Path) -> None:
    """An idle one of a pool, on its lock; but not one that has waited for it since the middle."""
    idle, late = (
        row("thread", at(1), pid=7, start=born(0), tid=tid, thread="t", waited_for="lock", off_cpu_ns=ns)
        for tid, ns in ((1, 5 * S), (2, S // 2))
    )
    assert line(tmp_path, idle, late) == "0.00 s running, 0.50 s lock; 1.00 s at rest"
    assert line(tmp_path, idle | {"waited_for": "disk"}) == "0.00 s running, 1.00 s disk; 0.00 s at rest"


def test_without_cpu_time_there_is_none(tmp_path: Path) -> None:
    assert line(tmp_path) == ""
