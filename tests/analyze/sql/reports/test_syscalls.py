"""System calls: counts, latencies and percentiles, each answer worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

import sysmon
from sysmon.analyze.text.summary import CALLS, SECTIONS
from sysmon.errors import BadRequest
from tests import traces
from tests.traces import Row, at, born, bucket_low, bucket_of, calls, failures, row

P = {"pid": 7, "start": born(0)}


def report(tmp_path: Path, name: str, rows: list[Row], **part: Any) -> list[dict[str, Any]]:
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows), **part) as trace:
        return trace.report(name).df().astype(object).where(lambda d: d.notna(), None).to_dict("records")


def test_counts_are_sums_over_snapshots_and_processes(tmp_path: Path) -> None:
    rows = [
        calls(at(1), 7, born(0), "read", bucket_of(1000), 3, errors=1, total_ns=3100, max_ns=1050),
        calls(at(2), 7, born(0), "read", bucket_of(1000), 2, total_ns=2000, max_ns=1000),
        calls(at(2), 8, born(0), "read", bucket_of(5000), 5, errors=2, total_ns=25_000, max_ns=5000),
    ]
    (read,) = report(tmp_path, "syscalls", rows)
    assert (read["syscall"], read["calls"], read["errors"]) == ("read", 10, 3)
    assert read["total_s"] == pytest.approx(30_100e-9)
    assert read["mean_us"] == pytest.approx(3.01)
    assert read["max_us"] == 5.0


def test_percentiles_by_nearest_rank(tmp_path: Path) -> None:
    # 100 calls: 50 in bucket 40 (128 to 143 ns, middle 135.5), 40 in bucket 48 (256 to 287, 271.5), 9 in 56 (512 to
    # 575, middle 543.5 but maximum 530), 1 in 64 (1024 to 1151).
    rows = [
        calls(at(1), 7, born(0), "read", 40, 50, max_ns=143),
        calls(at(1), 7, born(0), "read", 48, 40, max_ns=287),
        calls(at(1), 7, born(0), "read", 56, 9, max_ns=530),
        calls(at(1), 7, born(0), "read", 64, 1, max_ns=1100),
    ]
    (read,) = report(tmp_path, "syscalls", rows)
    assert (read["p50_us"], read["p90_us"], read["p99_us"]) == (0.1355, 0.2715, 0.53)
    assert (read["p999_us"], read["max_us"]) == (1.0875, 1.1)


@pytest.mark.parametrize("name", ["syscalls", "syscalls_by_process"])
@pytest.mark.parametrize(("slow", "p999"), [(1, 0.1355), (2, 1.0875)])
def test_one_in_a_thousand_is_above_the_last_percentile(tmp_path: Path, name: str, slow: int, p999: float) -> None:
    rows = [
        calls(at(1), 7, born(0), "read", 40, 1000 - slow, max_ns=143),
        calls(at(1), 7, born(0), "read", 64, slow, max_ns=1100),
    ]
    (read,) = report(tmp_path, name, rows)
    assert (read["p99_us"], read["p999_us"]) == (0.1355, p999)


@pytest.mark.parametrize(("count", "p50"), [(1, 1.024), (2, 1.024), (3, 2.048)])
def test_the_median_is_an_actual_call(tmp_path: Path, count: int, p50: float) -> None:
    # 1024, 2048 and 3072 ns: rank 1 of 1, rank 1 of 2, rank 2 of 3. Each is the maximum of its bucket.
    rows = [calls(at(1), 7, born(0), "read", bucket_of(n * 1024), 1) for n in range(1, count + 1)]
    (read,) = report(tmp_path, "syscalls", rows)
    assert read["p50_us"] == p50


def test_the_middle_of_a_bucket_is_within_a_sixteenth(tmp_path: Path) -> None:
    for latency_ns in (0, 1, 7, 8, 15, 16, 1000, 999_999, 5_000_000_000, 2**40 - 1):
        bucket = bucket_of(latency_ns)
        (read,) = report(
            tmp_path, "syscalls", [calls(at(1), 7, born(0), "read", bucket, 1, max_ns=bucket_low(bucket + 1) - 1)]
        )
        assert read["p50_us"] * 1000 == pytest.approx(latency_ns, rel=0.0625)


def test_long_calls_keep_their_duration(tmp_path: Path) -> None:
    ns = 5_000_100_000
    rows = [calls(at(6), 7, born(0), "clock_nanosleep", bucket_of(ns), 1, total_ns=ns, max_ns=ns)]
    (bucket,) = report(tmp_path, "syscall_histogram", rows)
    assert bucket["low_ns"] <= ns < bucket["high_ns"]
    (sleep,) = report(tmp_path, "syscalls", rows)
    assert sleep["max_us"] == 5_000_100
    assert 4_687_000 < sleep["p99_us"] <= 5_000_100


def test_calls_that_never_return_have_no_latency(tmp_path: Path) -> None:
    (exit_group,) = report(
        tmp_path, "syscalls", [calls(at(1), 7, born(0), "exit_group", None, 3, total_ns=0, max_ns=0)]
    )
    assert (exit_group["calls"], exit_group["no_return"], exit_group["errors"]) == (3, 3, 0)
    assert [exit_group[c] for c in ("total_s", "mean_us", "p50_us", "p90_us", "p99_us", "p999_us", "max_us")] == [
        None
    ] * 7


def test_calls_in_flight(tmp_path: Path) -> None:
    # Issued in the recording: 2 that returned and the one cut by its end. The others were issued before.
    rows = [
        calls(at(1), 7, born(0), "read", 40, 2),
        row("syscall_inflight", at(1), **P, tid=7, syscall="read", abi="x86_64", edge="start", elapsed_ns=10**9),
        row("syscall_inflight", at(10), **P, tid=8, syscall="read", abi="x86_64", edge="both", elapsed_ns=10**10),
        row("syscall_inflight", at(10), **P, tid=9, syscall="read", abi="x86_64", edge="end", elapsed_ns=5),
    ]
    (read,) = report(tmp_path, "syscalls", rows)
    assert (read["calls"], read["in_flight"], read["no_return"]) == (3, 3, 0)
    longest, *_ = report(tmp_path, "syscalls_in_flight", rows)
    assert (longest["tid"], longest["edge"], longest["elapsed_s"]) == (8, "both", 10.0)


def test_a_pid_that_is_used_again_is_two_processes(tmp_path: Path) -> None:
    rows = [
        row("exec", at(1), pid=7, start=born(0), comm="old"),
        row("exec", at(3), pid=7, start=born(3), comm="new"),
        calls(at(2), 7, born(0), "read", 40, 2),
        calls(at(4), 7, born(3), "read", 40, 3),
    ]
    found = report(tmp_path, "syscalls_by_process", rows)
    assert {(r["comm"], r["calls"]) for r in found} == {("old", 2), ("new", 3)}


def test_calls_without_a_name(tmp_path: Path) -> None:
    rows = [
        calls(at(1), 7, born(0), None, 40, 1, nr=999),
        calls(at(1), 7, born(0), None, 40, 1, nr=None, abi=None),
    ]
    assert {r["syscall"] for r in report(tmp_path, "syscalls", rows)} == {"syscall_999", "unknown"}


def test_the_same_name_in_two_tables_is_two_calls(tmp_path: Path) -> None:
    rows = [calls(at(1), 7, born(0), "read", 40, 1), calls(at(1), 7, born(0), "read", 40, 2, abi="i386", nr=3)]
    assert {(r["abi"], r["calls"]) for r in report(tmp_path, "syscalls", rows)} == {("x86_64", 1), ("i386", 2)}


def test_a_process_with_no_name_known(tmp_path: Path) -> None:
    (read,) = report(tmp_path, "syscalls_by_process", [calls(at(1), 7, born(0), "read", 40, 1)])
    assert (read["pid"], read["comm"], read["calls"]) == (7, None, 1)


@pytest.mark.parametrize("bucket", [487, 496, 60_000])
def test_impossible_buckets_and_counts(tmp_path: Path, bucket: int) -> None:
    most = 2**64 - 1
    rows = [
        calls(at(1), 7, born(0), "read", 40, 1, total_ns=128, max_ns=128),
        calls(at(1), 7, born(0), "read", bucket, 1, total_ns=10, max_ns=10),
        calls(at(1), 7, born(0), "write", 486, most, errors=most, total_ns=most, max_ns=most),
        calls(at(2), 7, born(0), "write", 486, most, errors=most, total_ns=most, max_ns=most),
    ]
    found = {r["syscall"]: r for r in report(tmp_path, "syscalls", rows)}
    assert found["read"]["calls"] == 2
    assert (found["read"]["p50_us"], found["read"]["p99_us"]) == (0.128, 0.128)
    assert found["write"]["calls"] is None  # out of range
    assert [(r["syscall"], r["low_ns"]) for r in report(tmp_path, "syscall_histogram", rows)] == [
        ("read", 128),
        ("write", 14 << 59),
    ]


def test_a_window_counts_the_snapshots_in_it(tmp_path: Path) -> None:
    # The snapshot at +2 s counts what happened before it, so it belongs to the window that ends at +2 s.
    rows = [calls(at(s), 7, born(0), "read", 40, 10**s) for s in (1, 2, 3)]
    (before,) = report(tmp_path, "syscalls", rows, until="+2")
    (after,) = report(tmp_path, "syscalls", rows, since="+2")
    assert (before["calls"], after["calls"]) == (110, 1000)
    assert report(tmp_path, "syscalls", rows, since="+5", until="+6") == []


def test_the_histogram_has_a_row_for_each_bucket(tmp_path: Path) -> None:
    rows = [
        calls(at(1), 7, born(0), "read", 3, 1),
        calls(at(1), 7, born(0), "read", 40, 2),
        calls(at(2), 8, born(0), "read", 40, 5),
        calls(at(2), 8, born(0), "read", None, 5),
    ]
    found = report(tmp_path, "syscall_histogram", rows)
    assert [(r["low_ns"], r["high_ns"], r["calls"]) for r in found] == [(3, 4, 1), (128, 144, 7)]


def test_overflow_of_a_full_map_is_other(tmp_path: Path) -> None:
    rows = [calls(at(1), 7, born(0), "read", 40, 3), calls(at(1), 0, 0, "read", 40, 9)]
    assert [(r["pid"], r["comm"], r["calls"]) for r in report(tmp_path, "syscalls_by_process", rows)] == [
        (0, "(other)", 9),
        (7, None, 3),
    ]
    assert [r["calls"] for r in report(tmp_path, "syscalls", rows)] == [12]
    (_seven, other) = report(tmp_path, "processes", rows)
    assert (other["pid"], other["comm"], other["syscalls"], other["started"]) == (0, "(other)", 9, None)


def test_errors_by_number_with_their_share_of_the_calls(tmp_path: Path) -> None:
    rows = [
        # 40 reads in two snapshots, 10 of them failed: 25 %; a call without a name, and an error without one.
        calls(at(1), 7, born(0), "read", 40, 30, errors=6),
        calls(at(2), 7, born(0), "read", 40, 10, errors=4),
        failures(at(1), 7, born(0), "read", "EAGAIN", 11, 6),
        failures(at(2), 7, born(0), "read", "EAGAIN", 11, 3),
        failures(at(2), 7, born(0), "read", "EINTR", 4, 1, total_ns=2 * 10**9),
        failures(at(2), 8, born(0), None, None, 4000, 2, nr=999),
    ]
    found = report(tmp_path, "syscall_errors", rows)
    assert [(r["pid"], r["syscall"], r["error"], r["calls"], r["share_pct"], r["total_s"]) for r in found] == [
        (7, "read", "EAGAIN", 9, 22.5, pytest.approx(9e-6)),
        (8, "syscall_999", "errno_4000", 2, None, pytest.approx(2e-6)),
        (7, "read", "EINTR", 1, 2.5, 2.0),
    ]


def test_the_first_rows_are_those_of_the_whole_report(tmp_path: Path) -> None:
    rows = [calls(at(1), pid, born(0), "read", bucket_of(1000 * pid), 3) for pid in range(1, 8)]
    rows += [calls(at(1), 1, born(0), "write", bucket_of(10**6), 7), calls(at(1), 2, born(0), "exit_group", None, 1)]
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        everything = trace.report("syscalls_by_process").fetchall()
        first, beyond = trace.first_rows("syscalls_by_process", 4)
        assert (first.fetchall(), beyond) == (everything[:4], 5)
        assert trace.report("syscalls_by_process").fetchall() == everything
        few, beyond = trace.first_rows("syscalls_by_process", 9)
        assert (few.fetchall(), beyond) == (everything, 0)


def test_a_report_of_one_process(tmp_path: Path) -> None:
    rows = [calls(at(1), pid, born(0), "read", bucket_of(1000), pid) for pid in (3, 5, 7)]
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        one = trace.report("syscalls", pid=5)
        some = trace.report("syscalls", pid=[3, 7])
        columns = "syscall, calls"
        assert one.select(columns).fetchall() == [("read", 5)]
        assert some.select(columns).fetchall() == [("read", 10)]
        assert trace.report("syscalls").select(columns).fetchall() == [("read", 15)]
        with pytest.raises(BadRequest, match="no process 4"):
            trace.report("syscalls", pid=4)


def test_waits_are_measured_not_guessed_by_name(tmp_path: Path) -> None:
    """1 s each: a call that slept, one that waited for a disk, one that waited for a CPU, and a poll that did not
    sleep.
    """

    def second(syscall: str, blocked_ms: int, uninterruptible_ms: int, runnable_ms: int) -> Row:
        off = {"blocked_ns": blocked_ms, "uninterruptible_ns": uninterruptible_ms, "runnable_ns": runnable_ms}
        ns = {name: ms * 10**6 for name, ms in off.items()}
        return calls(at(1), 7, born(0), syscall, bucket_of(10**9), 1, total_ns=10**9, max_ns=10**9, **ns)

    rows = [
        second("recvfrom", 900, 0, 50), second("pread64", 900, 850, 0), second("read", 0, 0, 900),
        second("poll", 0, 0, 0),
    ]  # fmt: skip
    for name in ("syscalls", "syscalls_by_process"):
        shown = report(tmp_path, name, rows)
        found = {r["syscall"]: [r[c] for c in ("slept_s", "disk_s", "runnable_s")] for r in shown}
        assert found == {"recvfrom": [0.9, 0, 0.05], "pread64": [0.05, 0.85, 0], "read": [0, 0, 0.9], "poll": [0, 0, 0]}
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        waits = dict(trace.own(f"SELECT syscall, waits FROM ({CALLS})").fetchall())
        order = [row[0] for row in trace.own(SECTIONS[0].query).fetchall()]
    assert waits == {"recvfrom": "90 %", "pread64": "90 %", "read": "0 %", "poll": "0 %"}
    assert order == [
        "poll",
        "pread64",
        "read",
        "recvfrom",
    ]  # equal except for those that mostly waited, which come last


def test_waits_in_version_1_are_guessed_by_name(tmp_path: Path) -> None:
    rows = [calls(at(1), 7, born(0), name, bucket_of(10**9), 1) for name in ("recvfrom", "poll")]
    assert [r["slept_s"] for r in report(tmp_path, "syscalls", rows)] == [None, None]
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        waits = dict(trace.own(f"SELECT syscall, waits FROM ({CALLS})").fetchall())
        order = [row[0] for row in trace.own(SECTIONS[0].query).fetchall()]
    assert waits == {"recvfrom": None, "poll": "by its name"}
    assert order == ["recvfrom", "poll"]
