"""Disks, requests to them, limits of control groups, and what follows from them, on traces made by hand."""

from pathlib import Path
from typing import Any

import pytest

import sysmon
from sysmon.analyze.trace.findings import findings
from tests import traces
from tests.traces import Row, at, born, row

MS = 10**6
MIB = 1 << 20
LOOP, VDA = 1792, 65024


def process(pid: int, comm: str) -> Row:
    return row("process", at(0), edge="both", pid=pid, start=born(-100), comm=comm)


def snapshots() -> list[Row]:
    return [row("clock", at(second), event="snapshot", boottime_ns=0) for second in range(11)]


def requests(n: int, service_ms: float, *, pid: int | None = 7, **columns: Any) -> list[Row]:
    """Requests of 4 KiB that all took the same, and waited 1 ms in the queue before."""
    given = {
        "pid": pid, "start": None if pid is None else born(-100), "disk_device": LOOP, "operation": "write",
        "submitted_by": "process", "io_group": 41, **columns,
    }  # fmt: skip
    ns = round(service_ms * MS)
    served = {"requests": n, "request_bytes": 4096 * n, "failed_requests": 0, "requeues": 0}
    took = {"service_ns": n * ns, "max_service_ns": ns, "queued": 0, "queue_ns": 0, "max_queue_ns": 0}
    waited = {"queued": n, "queue_ns": n * MS, "max_queue_ns": MS}
    none = dict.fromkeys(served, 0) | {"service_ns": 0, "max_service_ns": 0}
    return [
        row("block_io", at(5), stage="service", duration_bucket=bucket(ns), size_bucket=12, **given, **served, **took),
        row("block_io", at(5), stage="queue", duration_bucket=bucket(MS), **given, **none, **waited),
    ]


def bucket(ns: int) -> int:
    """As bucket_of() in bpf/programs/syscalls.bpf.c."""
    log2 = ns.bit_length() - 1
    return (log2 - 2) << 3 | (ns >> (log2 - 3)) & 7


def disk(number: int, name: str, **columns: Any) -> Row:
    given = {"disk_reads": 0, "disk_writes": 0, "disk_flushes": 0, "disk_discards": 0, "disk_in_flight": 0}
    return row("disk", at(5), disk_device=number, disk=name, **(given | columns))


def blocked(pid: int, seconds: float) -> Row:
    ns = round(seconds * 1e9)
    return row(
        "cpu", at(10), pid=pid, start=born(-100), tid=pid, oncpu_ns=MS, waited_for="disk", waits=10, waited_ns=ns,
        max_waited_ns=ns,
    )  # fmt: skip


def opened(tmp_path: Path, rows: list[Row]) -> sysmon.analyze.trace.trace.Trace:  # type: ignore[name-defined]
    return sysmon.open(traces.write(tmp_path / "t.parquet", rows))


def test_disks_have_counts_of_the_kernel_and_times_of_requests(tmp_path: Path) -> None:
    rows = [
        *snapshots(),
        process(7, "writer"),
        *requests(10, 60),
        disk(LOOP, "loop0", disk_writes=12, disk_write_bytes=12 * MIB, disks_below="vda", disk_busy_ns=600 * MS),
        disk(VDA, "vda", disk_reads=5, disk_read_bytes=MIB, disk_busy_ns=MS),
        disk(VDA + 1, "vda1", disk_reads=5, disk_part_of="vda"),
        disk(9, "idle"),
        row("block_inflight", at(5), disk_device=LOOP, operation="write", requests_in_flight=2, oldest_ns=30 * MS),
    ]
    with opened(tmp_path, rows) as trace:
        loop, *others = trace.report("disks").df().astype(object).to_dict("records")
    assert (loop["disk"], loop["below"], loop["writes"], loop["write_mib"]) == ("loop0", "vda", 12, 12)
    assert loop["service_p50_us"] == pytest.approx(60_000, rel=0.0625) and loop["service_max_ms"] == 60
    assert loop["queue_p99_us"] == pytest.approx(1000, rel=0.0625) and loop["oldest_ms"] == 30
    assert loop["measured_pct"] == pytest.approx(100 * 10 / 12)
    assert [(r["disk"], r["part_of"]) for r in others][1] == ("vda1", "vda") and len(others) == 2


def test_requests_without_a_process_say_who_made_them(tmp_path: Path) -> None:
    rows = [
        *snapshots(),
        process(7, "writer"),
        *requests(3, 60),
        *requests(2, 5, pid=None, submitted_by="write-back", io_group=None),
        *requests(1, 4, pid=None, submitted_by="limited"),
        *requests(1, 3, pid=None, submitted_by=None, io_group=None),
        row("cgroup_limit", at(0), hierarchy="blkio", limited_group=1, cgroup_path="/"),
        row("cgroup_limit", at(1), hierarchy="blkio", limited_group=41, cgroup_path="/jobs", io_limits="7:0 wbps=1"),
        row("cgroup", at(0), cgroup_id=41, cgroup_path="/another hierarchy"),
    ]
    with opened(tmp_path, rows) as trace:
        found = trace.report("disk_io").df().astype(object).to_dict("records")
    names = [(r["comm"], r["requests"], r["io_group"]) for r in found]
    assert names[0] == ("writer", 3, "/jobs")
    assert {name for name, _n, _group in names[1:]} == {"(write-back)", "(limited group)", "(before the recording)"}
    assert found[0]["mean_kib"] == 4 and found[0]["total_s"] == pytest.approx(3 * 0.061)


def test_slow_device(tmp_path: Path) -> None:
    def finds(service_ms: float, blocked_s: float) -> list[Any]:
        rows = [*snapshots(), process(7, "writer"), *requests(100, service_ms), blocked(7, blocked_s)]
        with opened(tmp_path, [*rows, disk(LOOP, "loop0", disks_below="vda", backing_file="/f")]) as trace:
            return [f for f in findings(trace) if f.rule == "slow_device"]

    (f,) = finds(60, 5.5)
    assert f.summary == "the disk loop0 takes 60 ms for a write; writer (7) waited 5.5 s for it"
    assert (f.severity, f.command) == ("high", "sysmon report TRACE disks")
    assert f.evidence.startswith("100 writes: mean 60.0 ms") and f.evidence.endswith(
        "its file is /f; below it lies vda"
    )
    assert finds(60, 4)[0].severity == "medium"
    assert not finds(19, 5.5) and not finds(60, 1.9)


def limited(tmp_path: Path, rows: list[Row], hierarchy: str = "blkio", **selection: Any) -> list[Any]:
    """Findings of the rule if 30 requests of the group /jobs were held back."""
    limit = {"limited_group": 41, "cgroup_path": "/jobs", "io_limits": "7:0 wbps=1"}
    held_back = requests(30, 1, pid=None, submitted_by="limited")
    given = [*snapshots(), *held_back, row("cgroup_limit", at(0), hierarchy=hierarchy, **limit), *rows]
    with sysmon.open(traces.write(tmp_path / "t.parquet", given), **selection) as trace:
        found = trace.own("FROM finding.limited_io").df().astype(object)
    return list(found.where(found.notna(), None).itertuples())


def test_limited_io(tmp_path: Path) -> None:
    def finds(blocked_s: float, service_ms: float = 1) -> list[Any]:
        return limited(tmp_path, [process(7, "writer"), *requests(3, service_ms), blocked(7, blocked_s)])

    (f,) = finds(6)
    assert (f.severity, f.pid) == ("high", 7) and f.summary.startswith("was blocked on a disk for 6.0 s")
    assert f.evidence == (
        "30 requests of the group /jobs, 0.1 MiB, were held back; the disk took 2.00 ms for each; "
        "its limits: 7:0 wbps=1"
    )
    assert not finds(1.9) and not finds(6, 1500), "a slow disk explains that"


def test_limited_io_of_processes_with_no_request_that_was_not_held_back(tmp_path: Path) -> None:
    other = [process(8, "other"), *requests(900, 9, pid=8, io_group=5), blocked(8, 6)]  # its disk explains it
    rows = [*other, process(7, "writer"), blocked(7, 6)]
    (f,) = limited(tmp_path, rows)
    assert (f.severity, f.pid) == ("medium", None), "version 1 does not say who is in the group"
    assert (f.subject, f.summary) == ("the control group /jobs", "has limited I/O: all its requests were held back")
    assert f.evidence.endswith("blocked on a disk without requests of their own: writer (7) 6.0 s")
    assert [f.evidence for f in limited(tmp_path, rows, pids=(7,))] == [f.evidence]
    # Before it was put into the group, it read from the disk.
    before = requests(50, 1, io_group=1)
    (f,) = limited(tmp_path, [process(7, "writer"), *before, *requests(1, 1), blocked(7, 6)])
    assert (f.severity, f.pid) == ("high", 7)


def test_limited_io_in_version_2_is_of_the_processes_in_the_group(tmp_path: Path) -> None:
    groups = [
        row("cgroup", at(0), cgroup_id=number, cgroup_path=path)
        for number, path in ((41, "/jobs"), (42, "/jobs/one"), (43, "/jobs-2"))
    ]
    processes = [process(pid, "writer") | {"cgroup_id": 35 + pid} for pid in (7, 8)]
    (f,) = limited(tmp_path, [*groups, *processes, blocked(7, 6), blocked(8, 6)], "unified")
    assert (f.severity, f.pid) == ("high", 7)


def test_cpu_quota_of_groups(tmp_path: Path) -> None:
    group = {"hierarchy": "cpu", "limited_group": 5, "cgroup_path": "/q", "quota_ns": 20 * MS, "period_ns": 100 * MS}
    counts = {"quota_periods": 50, "throttled_periods": 30, "throttled_ns": 2000 * MS}
    rows = [*snapshots(), *(row("cgroup_limit", at(second), **group, **counts) for second in (1, 2))]
    rows.append(row("cgroup_limit", at(1), hierarchy="cpu", limited_group=1, cgroup_path="/"))
    with opened(tmp_path, rows) as trace:
        (found,) = trace.report("cpu_quota").df().astype(object).to_dict("records")
        (f,) = [f for f in findings(trace) if f.rule == "cpu_quota"]
    assert (found["cgroup"], found["quota_cpus"], found["periods"], found["throttled"]) == ("/q", 0.2, 100, 60)
    assert found["throttled_s"] == 4
    assert f.summary == "the control group /q was throttled by its CPU quota in 60 % of the periods"
