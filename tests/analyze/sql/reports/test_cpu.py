"""CPU time, waiting and page faults; each answer worked out by hand."""

from pathlib import Path
from typing import Any

import sysmon
from tests import traces
from tests.traces import SECOND, Row, at, born, row


def report(tmp_path: Path, name: str, rows: list[Row], **part: Any) -> list[dict[str, Any]]:
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows), **part) as trace:
        return trace.report(name).df().astype(object).where(lambda d: d.notna(), None).to_dict("records")


def used(second: float, pid: int, oncpu_ms: int, wait_ms: int | None, **columns: int) -> Row:
    given = {"voluntary_switches": 0, "involuntary_switches": 0, "migrations": 0} | columns
    wait_ns = None if wait_ms is None else wait_ms * 10**6
    return row("cpu", at(second), pid=pid, start=born(0), oncpu_ns=oncpu_ms * 10**6, wait_ns=wait_ns, **given)


def host(second: float, *busy_ms: int) -> list[Row]:
    return [
        row("host", at(second), cpu=cpu, busy_ns=ms * 10**6, idle_ns=SECOND - ms * 10**6)
        for cpu, ms in enumerate(busy_ms)
    ]


def test_shares_of_a_cpu_and_of_the_machine(tmp_path: Path) -> None:
    # Two seconds of two CPUs, four in total. 7 had 0.5 + 0.7 s: 60 % of a CPU, 30 % of the machine.
    rows = [
        used(1, 7, 500, 100, voluntary_switches=3),
        used(2, 7, 700, 300, involuntary_switches=2, migrations=1),
        used(2, 8, 200, 0),
        *host(1, 1000, 500),
        *host(2, 900, 0),
        row("exec", at(1), pid=7, start=born(0), comm="spin", argv=["spin", "-x"]),
    ]
    first, second = report(tmp_path, "cpu", rows)
    assert (first["pid"], first["comm"], first["command"], first["cpu_s"]) == (7, "spin", "spin -x", 1.2)
    assert (first["cpu_pct"], first["machine_pct"]) == (60, 30)
    assert (first["wait_s"], first["switches"], first["migrations"], first["snapshots"]) == (0.4, 5, 1, 2)
    assert (second["pid"], second["comm"], second["cpu_pct"], second["snapshots"]) == (8, None, 10, 1)
    # In the window after the first snapshot: 0.7 s of 1 s.
    (first, _) = report(tmp_path, "cpu", rows, since="+1.5")
    assert (first["cpu_s"], first["cpu_pct"], first["machine_pct"]) == (0.7, 70, 35)


def test_a_share_of_an_unknown_total_is_unknown(tmp_path: Path) -> None:
    (only,) = report(tmp_path, "cpu", [used(1, 7, 500, None)])
    assert (only["cpu_s"], only["cpu_pct"], only["machine_pct"], only["wait_s"]) == (0.5, None, None, None)


def test_waiting(tmp_path: Path) -> None:
    rows = [
        used(1, 7, 300, 100, voluntary_switches=1, involuntary_switches=1),
        used(2, 7, 300, 500, involuntary_switches=1, migrations=2),
        used(2, 8, 10, 0),
        used(2, 9, 10, None),
    ]
    waiting, none, unknown = report(tmp_path, "runqueue", rows)
    # 0.6 of 1.2 s; a CPU was given three times.
    assert (waiting["pid"], waiting["wait_s"], waiting["wait_pct"], waiting["mean_wait_us"]) == (7, 0.6, 50, 200_000)
    assert (waiting["voluntary_switches"], waiting["involuntary_switches"], waiting["migrations"]) == (1, 2, 2)
    assert (none["pid"], none["wait_s"], none["wait_pct"], none["mean_wait_us"]) == (8, 0, 0, None)
    assert (unknown["pid"], unknown["wait_s"], unknown["wait_pct"]) == (9, None, None)


def test_cpus(tmp_path: Path) -> None:
    first, second = report(tmp_path, "cpus", [*host(1, 1000, 500), *host(2, 500, 0)])
    assert (first["cpu"], first["busy_s"], first["idle_s"], first["busy_pct"], first["max_busy_pct"]) == (
        0,
        1.5,
        0.5,
        75,
        100,
    )
    assert (second["cpu"], second["busy_pct"], second["max_busy_pct"]) == (1, 25, 50)


def test_page_faults(tmp_path: Path) -> None:
    rows = [
        used(1, 7, 500, 0, minor_faults=10, major_faults=1),
        used(2, 7, 0, 0, minor_faults=20, major_faults=0),
        used(2, 8, 0, 0, minor_faults=5, major_faults=0),
        used(2, 9, 0, 0, minor_faults=0, major_faults=0),
    ]
    first, second = report(tmp_path, "page_faults", rows)
    assert (first["pid"], first["minor_faults"], first["major_faults"], first["faults_per_cpu_s"]) == (7, 30, 1, 62)
    assert (second["pid"], second["minor_faults"], second["faults_per_cpu_s"]) == (8, 5, None)


def test_impossible_counts_do_not_break_reports(tmp_path: Path) -> None:
    most = 2**64 - 1
    rows = [
        row(
            "cpu",
            at(1),
            pid=1,
            start=born(0),
            oncpu_ns=1,
            wait_ns=0,
            voluntary_switches=most,
            involuntary_switches=most,
        ),
        row("host", at(1), cpu=0, idle_ns=247, busy_ns=most),
    ]
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        assert [len(trace.report(name).fetchall()) for name in ("cpu", "runqueue", "cpus", "findings")] == [1, 1, 1, 0]
