"""Where the time of threads went; each answer worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

import sysmon
from sysmon.analyze.text import thread_states
from sysmon.bpf.kinds import KINDS
from tests import traces
from tests.traces import Row, at, born, row

MS = 10**6


def cycles(second: float, tid: int, waited_for: str | None, **ms: int) -> Row:
    """What a thread of process 7 did in the interval that ends then [ms]; `waits` is a count."""
    waits = ms.pop("waits", int(waited_for not in (None, "runnable")))
    names = ("oncpu", "occupied", "waited", "waited_before", "ready", "ready_before", "max_waited")
    counts = {f"{name}_ns": ms.get(name, 0) * MS for name in names}
    call = {"lock": "futex", "disk": "fsync", "sleep": "nanosleep"}.get(waited_for or "")
    return row("cpu", at(second), pid=7, start=born(-5), tid=tid, thread=f"t{tid}", waited_for=waited_for, syscall=call,
               nr=1, abi="x86_64", waits=waits, **counts)  # fmt: skip


def clocks(*seconds: float) -> list[Row]:
    return [row("clock", at(second), event="snapshot", boottime_ns=0) for second in seconds]


def report(tmp_path: Path, name: str, rows: list[Row], **part: Any) -> list[dict[str, Any]]:
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows), **part) as trace:
        return trace.report(name).df().astype(object).where(lambda d: d.notna(), None).to_dict("records")


# Thread 7: runs 600 ms of the first second and is ready for the rest. Then it waits for a lock until 3.5 s, through two
# snapshots, is ready for 100 ms, and runs to 4 s. Thread 8 sleeps all the time.
ROWS = [
    *clocks(0, 1, 2, 3, 4),
    cycles(1, 7, "runnable", oncpu=590, occupied=600, ready=400),
    cycles(4, 7, "lock", oncpu=400, occupied=400, waited=2500, waited_before=2000, ready=100, max_waited=2500),
    row("thread", at(4), pid=7, start=born(-5), tid=8, thread="t8", waited_for="sleep", syscall="nanosleep", nr=35,
        abi="x86_64", off_cpu_ns=4000 * MS),
]  # fmt: skip


def test_the_states_of_each_thread_add_up_to_its_life(tmp_path: Path) -> None:
    first, second = report(tmp_path, "wall_time_by_thread", ROWS)
    assert (first["tid"], first["thread"], first["wall_s"], first["mostly"]) == (7, "t7", 4, "lock, running, runnable")
    assert (first["running_s"], first["stolen_s"], first["runnable_s"], first["lock_s"]) == (0.99, 0.01, 0.5, 2.5)
    assert (second["tid"], second["wall_s"], second["sleep_s"], second["mostly"]) == (8, 4, 4, "sleep")
    (both,) = report(tmp_path, "wall_time", ROWS)
    assert (both["threads"], both["wall_s"], both["lock_s"], both["sleep_s"], both["running_s"]) == (2, 8, 2.5, 4, 0.99)


@pytest.mark.parametrize(
    ("since", "until", "running", "lock", "sleep"),
    [("+0", "+1", 0.59, 0, 1), ("+1", "+2", 0, 1, 1), ("+2", "+3", 0, 1, 1), ("+3", "+4", 0.4, 0.5, 1)],
)
def test_a_wait_is_in_each_window_that_it_lasts_through(
    tmp_path: Path, since: str, until: str, running: float, lock: float, sleep: float
) -> None:
    (only,) = report(tmp_path, "wall_time", ROWS, since=since, until=until)
    assert (only["wall_s"], only["running_s"], only["lock_s"], only["sleep_s"]) == (2, running, lock, sleep)


def test_what_was_waited_for_and_in_which_call(tmp_path: Path) -> None:
    sleep, lock, runnable = report(tmp_path, "waits", ROWS)
    assert (sleep["waited_for"], sleep["syscall"], sleep["total_s"], sleep["waits"]) == ("sleep", "nanosleep", 4, 0)
    assert (sleep["mean_ms"], sleep["max_ms"]) == (None, 4000)  # it goes on
    assert (lock["waited_for"], lock["syscall"], lock["total_s"], lock["wall_pct"]) == ("lock", "futex", 2.5, 31.25)
    assert (lock["waits"], lock["mean_ms"], lock["max_ms"]) == (1, 2500, 2500)
    assert (runnable["waited_for"], runnable["total_s"], runnable["waits"]) == ("runnable", 0.5, None)


def test_the_kernels_account_begins_at_the_wakeup(tmp_path: Path) -> None:
    """50 ms more on the CPU than from switch to switch are 50 ms less of the wait, and then of being ready."""
    rows = [*clocks(0, 1), cycles(1, 7, "disk", oncpu=450, occupied=400, waited=500, ready=100)]
    (only,) = report(tmp_path, "wall_time", rows)
    assert (only["wall_s"], only["running_s"], only["disk_s"], only["runnable_s"]) == (1, 0.45, 0.45, 0.1)
    rows = [*clocks(0, 1), cycles(1, 7, "disk", oncpu=450, occupied=400, waited=20, ready=580)]
    (only,) = report(tmp_path, "wall_time", rows)
    assert (only["wall_s"], only["running_s"], only["disk_s"], only["runnable_s"]) == (1, 0.45, 0, 0.55)


def test_a_reason_that_is_unknown(tmp_path: Path) -> None:
    rows = [*clocks(0, 1), cycles(1, 7, None, waited=300, occupied=700, oncpu=700, waits=1)]
    (only,) = report(tmp_path, "wall_time", rows)
    assert (only["wall_s"], only["unknown_s"], only["mostly"]) == (1, 0.3, "running, unknown")


def test_a_trace_by_process_has_no_threads(tmp_path: Path) -> None:
    rows = [*clocks(0, 1), row("cpu", at(1), pid=7, start=born(-5), oncpu_ns=5, occupied_ns=5, wait_ns=0)]
    assert report(tmp_path, "wall_time", rows) == []


def test_a_window_of_a_picked_process(tmp_path: Path) -> None:
    rows = [
        *ROWS,
        row("exec", at(1), pid=9, start=born(-5), comm="other"),
        row("thread", at(4), pid=9, start=born(-5), tid=9, waited_for="poll", off_cpu_ns=1000 * MS),
    ]
    assert [r["pid"] for r in report(tmp_path, "waits", rows, pids=[9])] == [9]
    assert [r["pid"] for r in report(tmp_path, "wall_time", rows, pids=[7])] == [7]


def test_without_cpu_time_nothing_is_known_of_threads(tmp_path: Path) -> None:
    """What a thread waits for at the end is, but not what it did before: it would look as if it had never run."""
    kinds = [k.name for k in KINDS if k.name != "cpu"]
    rows = [r for r in ROWS if r["kind"] != "cpu"]
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows, kinds=kinds)) as trace:
        assert trace.sql("SELECT * FROM thread_time").fetchall() == []
        assert thread_states.line(trace) == ""
    assert len(report(tmp_path, "wall_time", rows)) == 1, "the thread slept all the time, and had nothing to count"
