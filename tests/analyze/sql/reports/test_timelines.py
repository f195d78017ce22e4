"""Timelines, growth of memory and histograms by process; each answer worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

import sysmon
from tests import traces
from tests.traces import Row, at, born, bucket_low, calls, row

MIB = 1 << 20


def report(tmp_path: Path, name: str, rows: list[Row], **part: Any) -> list[dict[str, Any]]:
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows), **part) as trace:
        return trace.report(name).df().astype(object).where(lambda d: d.notna(), None).to_dict("records")


def second(instant: Any) -> float:
    return float((instant.value - traces.T0) / 10**9)


def clocks(*seconds: float) -> list[Row]:
    """The start of the recording, its snapshots, and its end, which is the last of them."""
    events = ["start", *["snapshot"] * (len(seconds) - 2), "end"]
    return [row("clock", at(s), event=event) for s, event in zip(seconds, events, strict=True)]


def used(when: float, pid: int, cpu_ms: int, wait_ms: int | None = 0, start: float = 0) -> Row:
    wait_ns = None if wait_ms is None else wait_ms * 10**6
    return row("cpu", at(when), pid=pid, start=born(start), oncpu_ns=cpu_ms * 10**6, wait_ns=wait_ns)


def had(when: float, pid: int, mib: float, start: float = 0, **columns: Any) -> Row:
    given = {"rss_file_bytes": MIB, "rss_shmem_bytes": 0, "swap_bytes": 0, "peak_rss_bytes": 99 * MIB} | columns
    return row("memory", at(when), pid=pid, start=born(start), rss_anon_bytes=round((mib - 1) * MIB), **given)


def named(pid: int, comm: str, when: float = 0.1, start: float = 0) -> Row:
    return row("exec", at(when), pid=pid, start=born(start), comm=comm, argv=[comm, "-x"])


def test_cpu_time_by_snapshot(tmp_path: Path) -> None:
    rows = [
        *clocks(0, 2, 3, 3.5),
        used(2, 7, 1000, 400),
        used(2, 8, 3000, None),
        used(3.5, 7, 100),
        used(3.5, 7, 200, start=3.2),  # the pid was reused
        named(7, "spin"),
    ]
    found = report(tmp_path, "cpu_timeline", rows)
    # 3 s in an interval of 2 s is 150 % of a CPU; 0.1 s in the last half second is 20 %.
    expected = [
        (2, 2, 8, None, 3, 150, None, born(0)),
        (2, 2, 7, "spin", 1, 50, 0.4, born(0)),
        (3.5, 0.5, 7, None, 0.2, 40, 0, born(3.2)),
        (3.5, 0.5, 7, "spin", 0.1, 20, 0, born(0)),
    ]
    assert [(second(r.pop("ts")), *r.values()) for r in found] == expected
    # A window knows the length of its first snapshot.
    (_, last) = report(tmp_path, "cpu_timeline", rows, since="+3.2")
    assert (last["interval_s"], last["cpu_pct"]) == (0.5, 20)


def test_a_snapshot_of_unknown_length(tmp_path: Path) -> None:
    (only,) = report(tmp_path, "cpu_timeline", [used(2, 7, 1000)])
    assert (only["interval_s"], only["cpu_s"], only["cpu_pct"]) == (None, 1, None)


def test_snapshots(tmp_path: Path) -> None:
    path = traces.write(tmp_path / "t.parquet", clocks(0, 2, 3, 3.5))
    query = "SELECT interval_ns FROM snapshots ORDER BY ts"
    with sysmon.open(path) as trace:
        assert trace.sql(query).fetchall() == [(2 * 10**9,), (10**9,), (5 * 10**8,)]
    with sysmon.open(path, since="+2", until="+3") as trace:
        assert trace.sql(query).fetchall() == [(10**9,)]


def test_memory_by_snapshot(tmp_path: Path) -> None:
    rows = [had(1, 7, 11), had(1, 8, 21, swap_bytes=5), had(2, 7, 12), named(7, "leak")]
    found = report(tmp_path, "memory_timeline", rows)
    assert [(second(r["ts"]), r["pid"], r["comm"], r["rss_bytes"]) for r in found] == [
        (1, 8, None, 21 * MIB),
        (1, 7, "leak", 11 * MIB),
        (2, 7, "leak", 12 * MIB),
    ]
    (first, *_) = found
    parts = (first["rss_anon_bytes"], first["rss_file_bytes"], first["rss_shmem_bytes"], first["swap_bytes"])
    assert parts == (20 * MIB, MIB, 0, 5)


def test_growth_is_a_line_through_the_samples(tmp_path: Path) -> None:
    rows = [
        # 10, 20, 30 MiB at 1, 2 and 3 s: 600 MiB a minute, all samples on the line.
        *(had(s, 7, 10 * s, peak_rss_bytes=31 * MIB) for s in (1, 2, 3)),
        # 2, 6, 4 MiB at 0, 1 and 2 s: means 1 s and 4 MiB; Sxy = -1·-2 + 0·2 + 1·0 = 2, Sxx = 2, Syy = 8:
        # 1 MiB a second, and r2 = 2² / (2·8).
        *(had(s, 8, mib) for s, mib in ((4, 2), (5, 6), (6, 4))),
        # Two samples do not make a line.
        had(1, 9, 10),
        had(9, 9, 90),
        named(7, "leak", 0.5),
    ]
    leak, wobble, two = report(tmp_path, "memory_growth", rows)
    assert (leak["pid"], leak["comm"], leak["command"], leak["samples"], leak["span_s"]) == (7, "leak", "leak -x", 3, 2)
    assert leak["growth_bytes_per_min"] == pytest.approx(600 * MIB)
    assert leak["r2"] == pytest.approx(1)
    assert (leak["first_rss_bytes"], leak["last_rss_bytes"], leak["peak_rss_bytes"]) == (10 * MIB, 30 * MIB, 31 * MIB)
    assert (wobble["pid"], wobble["comm"]) == (8, None)
    assert wobble["growth_bytes_per_min"] == pytest.approx(60 * MIB)
    assert wobble["r2"] == pytest.approx(0.25)
    assert (two["pid"], two["growth_bytes_per_min"], two["r2"], two["samples"]) == (9, None, None, 2)
    assert (two["first_rss_bytes"], two["last_rss_bytes"]) == (10 * MIB, 90 * MIB)


def test_growth_begins_at_the_last_exec(tmp_path: Path) -> None:
    rows = [had(1, 7, 500), named(7, "new", 1.5), *(had(s, 7, 10) for s in (2, 3, 4))]
    (only,) = report(tmp_path, "memory_growth", rows)
    assert (only["samples"], only["growth_bytes_per_min"], only["first_rss_bytes"]) == (3, 0, 10 * MIB)
    assert only["r2"] is None  # nothing varies
    (before,) = report(tmp_path, "memory_growth", rows, until="+1.2")
    assert (before["samples"], before["first_rss_bytes"]) == (1, 500 * MIB)


def test_growth_of_a_pid_used_twice(tmp_path: Path) -> None:
    rows = [had(s, 7, 10 * s) for s in (1, 2, 3)] + [had(s, 7, 50 - 5 * s, start=4) for s in (5, 6, 7)]
    first, second_one = report(tmp_path, "memory_growth", rows)
    assert first["growth_bytes_per_min"] == pytest.approx(600 * MIB)
    assert second_one["growth_bytes_per_min"] == pytest.approx(-300 * MIB)


def test_bytes_by_snapshot(tmp_path: Path) -> None:
    rows = [
        *clocks(0, 1, 3),
        calls(at(1), 7, born(0), "read", 40, 3, bytes=100),
        calls(at(1), 7, born(0), "read", 41, 3, bytes=11),
        calls(at(1), 7, born(0), "recvfrom", 41, 1, bytes=1000),
        calls(at(1), 7, born(0), "write", 41, 1, bytes=7),
        calls(at(3), 7, born(0), "sendfile", 41, 1, bytes=5),
        calls(at(3), 8, born(0), "write", 41, 1, bytes=50),
        calls(at(3), 8, born(0), "futex", 41, 1),  # moves no bytes
        calls(at(3), 9, born(0), "futex", 41, 1),
        named(7, "cat"),
    ]
    assert [(second(r.pop("ts")), *r.values()) for r in report(tmp_path, "io_timeline", rows)] == [
        (1, 1, 7, "cat", 1111, 7, 0, born(0)),
        (3, 2, 8, None, 0, 50, 0, born(0)),
        (3, 2, 7, "cat", 0, 0, 5, born(0)),
    ]


def test_latencies_by_snapshot(tmp_path: Path) -> None:
    rows = [
        *clocks(0, 1, 3),
        calls(at(1), 7, born(0), "read", 40, 3),
        calls(at(1), 8, born(0), "read", 40, 4),  # the same bucket of another process
        calls(at(1), 7, born(0), "read", 50, 1),
        calls(at(1), 7, born(0), "exit_group", None, 1),  # has no latency
        calls(at(3), 7, born(0), "read", 40, 2),
        calls(at(3), 7, born(0), "read", 40, 9, abi="i386"),
    ]
    low, high, next_low = bucket_low(40), bucket_low(50), bucket_low(41)
    assert [(second(r.pop("ts")), *r.values()) for r in report(tmp_path, "latency_timeline", rows)] == [
        (1, 1, "read", low, next_low, 7, "x86_64"),
        (1, 1, "read", high, bucket_low(51), 1, "x86_64"),
        (3, 2, "read", low, next_low, 9, "i386"),
        (3, 2, "read", low, next_low, 2, "x86_64"),
    ]


def test_calls_by_name_and_without(tmp_path: Path) -> None:
    rows = [
        calls(at(1), 7, born(0), name, 40, 1, nr=nr)
        for name, nr in (("read", 0), ("read", 63), (None, 4000), (None, 4001), (None, None))
    ]
    for report_name in ("latency_timeline", "syscall_histogram_by_process"):
        found = [(r["syscall"], r["calls"]) for r in report(tmp_path, report_name, rows)]
        assert found == [("read", 2), ("syscall_4000", 1), ("syscall_4001", 1), ("unknown", 1)]


def test_an_impossible_bucket_is_left_out(tmp_path: Path) -> None:
    rows = [calls(at(1), 7, born(0), "read", b, 1, total_ns=1, max_ns=1) for b in (486, 487)]
    for report_name in ("latency_timeline", "syscall_histogram_by_process"):
        assert [r["low_ns"] for r in report(tmp_path, report_name, rows)] == [bucket_low(486)]


def test_histogram_by_process(tmp_path: Path) -> None:
    rows = [
        calls(at(1), 7, born(0), "read", 40, 3),
        calls(at(2), 7, born(0), "read", 40, 2),
        calls(at(2), 7, born(1), "read", 40, 5),
        calls(at(2), 7, born(1), "read", None, 1),
        calls(at(2), 6, born(0), "write", 0, 1),
        named(7, "cat"),
    ]
    assert [tuple(r.values()) for r in report(tmp_path, "syscall_histogram_by_process", rows)] == [
        (6, None, "write", 0, 1, 1, "x86_64", born(0)),
        (7, "cat", "read", bucket_low(40), bucket_low(41), 5, "x86_64", born(0)),
        (7, None, "read", bucket_low(40), bucket_low(41), 5, "x86_64", born(1)),
    ]


ONE_ROW = {
    "cpu_timeline": used(1, 7, 5),
    "memory_timeline": had(1, 7, 5),
    "memory_growth": had(1, 7, 5),
    "io_timeline": calls(at(1), 7, born(0), "read", 40, 1, bytes=1),
    "latency_timeline": calls(at(1), 7, born(0), "read", 40, 1),
    "syscall_histogram_by_process": calls(at(1), 7, born(0), "read", 40, 1),
}


@pytest.mark.parametrize("name", ONE_ROW)
def test_one_row_and_a_window_without_it(tmp_path: Path, name: str) -> None:
    assert len(report(tmp_path, name, [ONE_ROW[name]])) == 1
    assert report(tmp_path, name, [ONE_ROW[name]], since="+5", until="+6") == []
