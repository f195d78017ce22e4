"""Each rule just above and just below its threshold, with missing data, and cut by the window."""

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import sysmon
from sysmon.analyze.text.summary import finding_lines
from sysmon.analyze.trace import opened as opened_module
from sysmon.analyze.trace.findings import Finding, findings
from sysmon.analyze.trace.reports import find_report
from sysmon.analyze.trace.rules import rules, shared_by
from sysmon.analyze.trace.trace import Trace
from tests.traces import Row, at, born, bucket_of, calls, failures, row, write

pytestmark = pytest.mark.slow

MS, S, MEBI = 10**6, 10**9, 1 << 20

RECORDER = 900
"""The pid in `tests.traces.recording`."""


def opened_trace(tmp_path: Path, rows: list[Row], asked: dict[str, Any]) -> Trace:
    """The trace of the rows. `asked` chooses a part, or changes the metadata."""
    part = {k: asked.pop(k) for k in ("since", "until", "pids", "comms") if k in asked}
    return sysmon.open(write(tmp_path / "t.parquet", rows, **asked), **part)


@contextlib.contextmanager
def only(rule: str) -> Iterator[None]:
    """In a trace that is opened meanwhile all other rules find nothing: planning them takes most of the time."""
    needs = {view.full_name: view.needs for view in shared_by()}
    used, left = set(), [f"finding.{rule}"]
    while left:
        used.add(name := left.pop())
        left += [each for each in needs.get(name, ()) if each not in used]
    others = {each.full_name for each in rules()} - used
    views = tuple(replace(v, only_of=("none",)) if v.full_name in others else v for v in shared_by())
    with patch.object(opened_module, "shared_by", lambda: views):
        yield


def found(tmp_path: Path, rows: list[Row], rule: str | None = None, **asked: Any) -> list[Finding]:
    """The findings of the trace, or of one rule."""
    with only(rule) if rule else contextlib.nullcontext(), opened_trace(tmp_path, rows, asked) as trace:
        return [f for f in findings(trace) if rule is None or f.rule == rule]


def finds(tmp_path: Path, rows: list[Row], rule: str, **asked: Any) -> bool:
    """Whether a rule finds anything: takes half the time of running all."""
    with opened_trace(tmp_path, rows, asked) as trace:
        return bool(trace.own(f"FROM finding.{rule}").fetchall())


def apart(*cases: list[Row]) -> list[Row]:
    """All of them in one trace: a second case has processes of its own, whose pids are 1000 more, and so on.

    Rules take processes of one name together, so those of two cases should have two.
    """
    out = []
    for place, case in enumerate(cases):
        own = {each.get("pid") for each in case} - {None}
        for each in case:
            names = [name for name in ("pid", "ppid", "tid") if each.get(name) in own]
            out.append(each | {name: each[name] + 1000 * place for name in names})
    return out


def only_of_the_first(tmp_path: Path, rule: str, *cases: list[Row], **asked: Any) -> Finding:
    """What is found in the first case, about its process, while no rule finds anything in the others."""
    (f,) = found(tmp_path, apart(*cases), **asked)
    assert f.rule == rule and f.pid in {each.get("pid") for each in cases[0]}
    assert "more of this name" not in f.evidence
    return f


def one(tmp_path: Path, rows: list[Row], rule: str, **asked: Any) -> Finding:
    (only,) = found(tmp_path, rows, rule, **asked)
    return only


def alive(pid: int, comm: str = "prog", start: float = -100) -> Row:
    """A process that lives throughout."""
    return row("process", at(0), pid=pid, start=born(start), ppid=1, comm=comm, edge="both", argv=[comm, "-x"])


def used(second: float, pid: int, cpu_s: float, wait_s: float | None = 0, **columns: Any) -> Row:
    wait_ns = None if wait_s is None else round(wait_s * S)
    given = {"start": born(-100), "voluntary_switches": 1000, "involuntary_switches": 0} | columns
    return row("cpu", at(second), pid=pid, oncpu_ns=round(cpu_s * S), wait_ns=wait_ns, **given)


def life(
    pid: int, began: float, ended: float, comm: str, parent: tuple[int, float, str] = (50, -100, "sh"), **ending: Any
) -> list[Row]:
    """A process from its fork to its end."""
    me = {"pid": pid, "start": born(began), "ppid": parent[0]}
    given = ending or {"exit_code": 0}
    return [
        row("fork", at(began), **me, parent_start=born(parent[1]), comm=parent[2]),
        row("exec", at(began), **me, comm=comm, path=f"/bin/{comm}", argv=[comm]),
        row("exit", at(ended), **me, comm=comm, lifetime_ns=round((ended - began) * S), **given),
    ]


def host(busy_s: float, idle_s: float, second: float = 10) -> list[Row]:
    """Time of each of two CPUs."""
    return [row("host", at(second), cpu=cpu, busy_ns=round(busy_s * S), idle_ns=round(idle_s * S)) for cpu in (0, 1)]


def spent(pid: int, syscall: str, latency_ns: int, count: int, **columns: Any) -> Row:
    return calls(at(5), pid, born(-100), syscall, bucket_of(latency_ns), count, **columns)


# CPU time of processes


def test_cpu_bound(tmp_path: Path) -> None:
    # It lives all of 10 s: the threshold is 8 s of running or waiting.
    f = only_of_the_first(
        tmp_path,
        "cpu_bound",
        [alive(7, "spin"), used(5, 7, 4, 0.5), used(10, 7, 3, 0.5)],
        [alive(7), used(10, 7, 7, 0.99)],
        [alive(7), used(10, 7, 7.99, None)],
    )
    assert (f.severity, f.pid, f.comm, f.start, f.weakened_by) == ("medium", 7, "spin", born(-100), None)
    assert f.summary == "spin (7) is CPU-bound: 7.0 s of CPU in 10.0 s"
    assert f.evidence == (
        "7.000 s of CPU time in 10.000 s of life in the window (70 % of one CPU), 1.000 s waiting for a CPU"
    )
    assert f.command == "sysmon report TRACE cpu --pid 7"
    assert finds(tmp_path, [alive(7), used(10, 7, 8, None)], "cpu_bound")


def test_cpu_bound_for_part_of_the_recording(tmp_path: Path) -> None:
    rows = [alive(50, "sh"), *life(7, 2, 6, "spin")]
    # 3.2 of its 4 s, and more than a quarter of 10 s.
    assert finds(tmp_path, [*rows, used(7, 7, 3.2, start=born(2))], "cpu_bound")
    assert not finds(tmp_path, [*rows, used(7, 7, 2.99, 1, start=born(2))], "cpu_bound")
    # Less than a quarter of 20 s.
    assert not finds(tmp_path, [*rows, used(7, 7, 3.2, start=born(2))], "cpu_bound", ended_ns=at(20))


def test_a_window_counts_what_it_holds(tmp_path: Path) -> None:
    clocks = [row("clock", at(s), event="snapshot") for s in range(11)]
    rows = [*clocks, alive(7), *(used(s, 7, 1 if s > 5 else 0) for s in range(1, 11))]
    # 5 s of 10 s, but all of the second half; from 5.5 on the snapshots at 6 to 10 count, and so the time since 5.
    assert not found(tmp_path, rows)
    f = one(tmp_path, rows, "cpu_bound", since="+5.5")
    assert f.evidence.startswith("5.000 s of CPU time in 5.000 s of life")
    assert f.command == "sysmon report TRACE cpu --pid 7 --since +5.5"
    assert not found(tmp_path, rows, until="+5.5")


def test_the_recorder_is_not_reported(tmp_path: Path) -> None:
    recorder = row("process", at(0), pid=RECORDER, start=born(-1), ppid=1, comm="sysmon", edge="both")
    rows = [recorder, used(10, RECORDER, 9.9, start=born(-1))]
    assert not found(tmp_path, rows)
    assert finds(tmp_path, rows, "cpu_bound", recorder_pid=901)


def test_two_seconds_are_too_short(tmp_path: Path) -> None:
    rows = [alive(7), used(2, 7, 2, 4), *host(2, 0, 2)]
    assert not found(tmp_path, rows, ended_ns=at(2))


def test_cpu_saturation(tmp_path: Path) -> None:
    # 20 s waited in 10 s are 2 threads, one per CPU.
    rows = [alive(7), alive(8), *host(9, 1), used(10, 7, 1, 15)]
    f = one(tmp_path, [*rows, used(10, 8, 1, 5)], "cpu_saturation")
    assert (f.severity, f.pid, f.comm, f.start) == ("medium", None, None, None)
    assert f.summary == "the machine has too few CPUs: 2.0 threads wait for 2 CPUs"
    assert "busy for 90.0 % of 10.0 s" in f.evidence
    assert one(tmp_path, [*rows, used(10, 8, 1, 45)], "cpu_saturation").severity == "high"
    assert not finds(tmp_path, [*rows, used(10, 8, 1, 4.9)], "cpu_saturation")
    assert not finds(tmp_path, [alive(7), *host(8.9, 1.1), used(10, 7, 1, 30)], "cpu_saturation")
    # Unknown how busy the CPUs were, or how long threads waited.
    assert not finds(tmp_path, [alive(7), used(10, 7, 1, 30)], "cpu_saturation")
    assert not finds(tmp_path, [alive(7), *host(10, 0), used(10, 7, 1, None)], "cpu_saturation")


def test_cpu_wait(tmp_path: Path) -> None:
    # 3 of the 10 s that it wanted to run.
    f = one(tmp_path, [alive(7), *host(9, 1), used(10, 7, 7, 3)], "cpu_wait")
    assert (f.severity, f.summary) == ("medium", "prog (7) waited 3.0 s for a CPU, 30 % of the time it could run")
    assert not finds(tmp_path, [alive(7), used(10, 7, 7.1, 3)], "cpu_wait")
    assert not finds(tmp_path, [alive(7), used(10, 7, 1, 1.99)], "cpu_wait")
    assert not finds(tmp_path, [alive(7), used(10, 7, 7, None)], "cpu_wait")
    # 2 s, but less than a fifth of 11.
    assert not finds(tmp_path, [alive(7), used(10, 7, 1, 2)], "cpu_wait", ended_ns=at(11))
    f = one(tmp_path, [alive(7), *host(4, 6), used(10, 7, 1, 3)], "cpu_wait")
    assert f.severity == "high"
    assert f.summary.endswith(", although CPUs were idle")


def test_cpu_quota(tmp_path: Path) -> None:
    def rows(cpu_s: float, throttled_s: float, wait_s: float = 0) -> list[Row]:
        ns = round(throttled_s * S)
        quota = {"tid": 7, "waited_for": "throttled", "waits": 40, "waited_ns": ns, "max_waited_ns": 75 * MS}
        return [alive(7), used(10, 7, cpu_s, wait_s), used(10, 7, 0, throttled_s, **quota)]

    f = one(tmp_path, rows(4, 1), "cpu_quota")
    told = "prog (7) was throttled for 1.0 s by the CPU quota of its control group, 20 % of the time it could run"
    assert (f.severity, f.summary) == ("medium", told)
    assert f.evidence == "throttled 40 times, 1.000 s in all and 75 ms at most; 4.000 s of CPU time"
    assert f.command == "sysmon report TRACE wall_time --pid 7"
    assert one(tmp_path, rows(2, 5, 3), "cpu_quota").severity == "high"
    assert not finds(tmp_path, rows(4.1, 1), "cpu_quota")
    assert not finds(tmp_path, rows(0, 0.99), "cpu_quota")
    # What a quota takes is no wait for a CPU.
    assert not finds(tmp_path, [*rows(2, 5), *host(2, 8)], "cpu_wait")


def test_too_few_cpus_are_one_finding(tmp_path: Path) -> None:
    # 13 programs waited 4 s each in 10 s: 52 s for 2 CPUs, 2.6 threads per CPU.
    waiting = [r for pid in range(10, 23) for r in (alive(pid, f"p{pid}"), used(10, pid, 1, 4 + pid / 1000))]
    f, *others = found(tmp_path, [*waiting, *host(9.5, 0.5)])
    assert (f.rule, others) == ("cpu_saturation", [])
    assert f.evidence.endswith("; those that waited most: p22 (22) 4.0 s, p21 (21) 4.0 s, p20 (20) 4.0 s")
    # If the machine is not full, or that is unknown, the one that waited most stands for all.
    for cpus in (host(8, 2), []):
        f, *others = found(tmp_path, [*waiting, *cpus])
        assert (f.rule, f.pid, others) == ("cpu_wait", 22, [])
        assert f.summary == "p22 (22) waited 4.0 s for a CPU, 80 % of the time it could run, as did 12 more"
        assert "; also p21 (21) 4.0 s, p20 (20) 4.0 s, " in f.evidence and f.evidence.endswith("p12 (12) 4.0 s, ...")
        assert f.command == "sysmon report TRACE runqueue"
    # Each process kept from idle CPUs has its own quota.
    assert len(found(tmp_path, [*waiting, *host(4, 6)], "cpu_wait")) == 13


def test_findings_on_processes_come_before_findings_on_the_machine(tmp_path: Path) -> None:
    many = [r for pid in range(10, 30) for r in (alive(pid), used(10, pid, 0.5, 4))]
    rows = [*many, alive(7), used(10, 7, 9), *host(10, 0), row("machine", at(10), io_full_ns=6 * S)]
    assert [(f.rule, f.severity) for f in found(tmp_path, rows)] == [
        ("cpu_bound", "medium"),
        ("cpu_saturation", "high"),
        ("io_pressure", "high"),
    ]


def test_a_sleep_counted_as_a_wait_is_not_reported(tmp_path: Path) -> None:
    # 5 s of waiting in 3 turns is impossible; in 30 it is possible.
    assert not found(tmp_path, [alive(7), used(10, 7, 0.1, 5, voluntary_switches=3)])
    assert finds(tmp_path, [alive(7), used(10, 7, 0.1, 5, voluntary_switches=30)], "cpu_wait")


# System calls


WAITING = ("poll", "futex", "read", "recvfrom", "epoll_wait", "wait4", "clock_nanosleep", "accept4", "ioctl")


def test_slow_tail(tmp_path: Path) -> None:
    def rows(slow: int = 3, latency_ns: int = 100 * MS, syscall: str = "flock", fast_ns: int = 1000) -> list[Row]:
        return [alive(7), spent(7, syscall, fast_ns, 200 - slow), spent(7, syscall, latency_ns, slow)]

    # The 198th of 200 is the 99th percentile; 3 of 100 ms are 0.3 s of 10.
    f = only_of_the_first(
        tmp_path,
        "slow_tail",
        rows(),
        rows(2),
        rows(3, 9 * MS),
        rows(3, 50 * MS),  # 0.15 s are less than 2 %
        rows(30, 20 * MS, fast_ns=MS),
        *(rows(syscall=waits) for waits in WAITING),
        [*rows(), used(10, 7, 1, 0.2)],  # its waits for a CPU may have been in these calls
    )
    assert f.severity == "low"
    assert f.summary.startswith("prog (7) has a slow tail in flock: p99 92.3 ms, median 1.0 us")
    assert "200 calls of flock" in f.evidence
    assert one(tmp_path, rows(11), "slow_tail").severity == "medium"


def test_sync_stall(tmp_path: Path) -> None:
    def rows(count: int, total_s: float, syscall: str = "fdatasync") -> list[Row]:
        return [alive(7, "db"), spent(7, syscall, 10 * MS, count, total_ns=round(total_s * S), max_ns=20 * MS)]

    f = only_of_the_first(tmp_path, "sync_stall", rows(100, 2), rows(100, 1.99), rows(9, 2), rows(100, 2, "write"))
    assert (f.severity, f.summary) == ("medium", "db (7) waits for its writes: fdatasync took 20 % of its time")
    assert f.evidence.startswith("100 calls, mostly fdatasync: 2.000 s in 10.000 s of life, mean 20.00 ms")
    assert "O_SYNC" not in f.evidence, "it opened no such file"
    assert one(tmp_path, rows(100, 5), "sync_stall").severity == "high"
    # Its waits for a CPU may have been in these calls: from half of their time on the severity is one lower.
    assert one(tmp_path, [*rows(100, 5), used(10, 7, 1, 2.4)], "sync_stall").severity == "high"
    f = one(tmp_path, [*rows(100, 4.9), used(10, 7, 1, 2.45)], "sync_stall")
    assert (f.severity, f.summary.split(", ")[1]) == ("low", "much of it waiting for a CPU")
    assert one(tmp_path, [*rows(100, 4.9), used(10, 7, 1, 2.44)], "sync_stall").severity == "medium"
    assert one(tmp_path, [*rows(100, 5), used(10, 7, 1, 5)], "sync_stall").severity == "medium"
    # One fsync of 3 s is enough.
    assert finds(tmp_path, [alive(7), spent(7, "fsync", 3 * S, 1)], "sync_stall")


O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_DSYNC, O_SYNC = 0, 1, 2, 0o100, 0o10000, 0o4010000
"""include/uapi/asm-generic/fcntl.h"""


WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2")


def test_writes_that_each_wait_for_the_disk(tmp_path: Path) -> None:
    def rows(syscall: str, flags: int, **columns: Any) -> list[Row]:
        slow = spent(7, syscall, 10 * MS, 100, total_ns=5 * S, max_ns=80 * MS)
        return [alive(7, f"{syscall} {flags}"), slow, opened(7, "/data/wal", flags=flags, **columns)]

    def all_of(flags: int) -> list[Row]:
        return apart(*(rows(syscall, flags) for syscall in WRITES))

    # 5 of 10 s, in calls of 50 ms each.
    flags = O_WRONLY | O_DSYNC | O_CREAT
    fs = {f.pid: f for f in found(tmp_path, all_of(flags), "sync_stall")}
    assert len(fs) == len(WRITES)
    for place, syscall in enumerate(WRITES):
        f = fs[7 + 1000 * place]
        assert f.severity == "high"
        assert f.summary == (
            f"{syscall} {flags} ({f.pid}) waits for its writes: {syscall} took 50 % of its time, "
            "with files opened with O_SYNC or O_DSYNC"
        )
        assert f"mostly {syscall}: 5.000 s in 10.000 s of life, mean 50.00 ms" in f.evidence
        assert "; opened with O_SYNC or O_DSYNC: /data/wal; which of its writes" in f.evidence
    # It was opened before the window, and is still open.
    pids = tuple(fs)
    assert {f.pid for f in found(tmp_path, all_of(O_RDWR | O_SYNC), "sync_stall", pids=pids)} == set(pids)
    no_case = [
        case
        for syscall in WRITES
        for case in (
            rows(syscall, O_RDWR | O_CREAT),
            rows(syscall, O_RDONLY | O_SYNC),  # nobody writes to it
            rows(syscall, O_RDWR | O_SYNC, error="EACCES"),
            [*rows(syscall, O_RDWR | O_SYNC)[:2], opened(8, "/x", flags=O_RDWR | O_SYNC)],
        )
    ]
    assert not finds(tmp_path, apart(*no_case), "sync_stall")
    # Its other writes, of 10 us each, do not lower the mean.
    with_fast = [
        [*rows(syscall, O_RDWR | O_SYNC), spent(7, "writev" if syscall == "write" else "write", 10_000, 100_000)]
        for syscall in WRITES
    ]
    fs = {f.pid: f for f in found(tmp_path, apart(*with_fast), "sync_stall")}
    assert len(fs) == len(WRITES) and all(f.evidence.startswith("100 calls, ") for f in fs.values())


def test_a_slow_tail_of_writes_that_wait_for_the_disk_is_one_finding(tmp_path: Path) -> None:
    # Three of 200 took 2 s each: 6 of 10 s.
    rows = [alive(7), spent(7, "pwrite64", 1000, 197), spent(7, "pwrite64", 2 * S, 3)]
    assert [f.rule for f in found(tmp_path, rows)] == ["slow_tail"]
    rows.append(opened(7, "/wal", flags=O_RDWR | O_SYNC))
    assert [f.rule for f in found(tmp_path, rows)] == ["sync_stall"]


def test_busy_poll(tmp_path: Path) -> None:
    def rows(idle: int, others: int, syscall: str = "poll", latency_ns: int = 1000, **columns: Any) -> list[Row]:
        return [alive(7), spent(7, syscall, latency_ns, idle, **columns), spent(7, "write", 2000, others)]

    # 10,000 in 10 s, 60 % of 16,666.
    f = only_of_the_first(
        tmp_path,
        "busy_poll",
        rows(10_000, 6_666),
        rows(9_999, 0),
        rows(10_000, 6_667),
        rows(10_000, 0, latency_ns=21_000),
        rows(10_000, 0, "read"),  # they returned data
        rows(10_000, 0, "read", errors=9_999),
        rows(10_000, 0, "clock_nanosleep", latency_ns=2 * MS),
        [*rows(49_999, 0), used(10, 7, 5)],  # it computes meanwhile
    )
    assert (f.severity, f.summary) == (
        "medium",
        "prog (7) polls in a busy loop: 1,000 calls a second, mostly poll, with nothing to do",
    )
    assert f.evidence.startswith("10,000 of its 16,666 calls returned at once")
    assert finds(tmp_path, rows(10_000, 0, "read", errors=10_000), "busy_poll")
    assert finds(tmp_path, rows(10_000, 0, "clock_nanosleep", latency_ns=900_000), "busy_poll")
    assert one(tmp_path, [*rows(50_000, 0), used(10, 7, 5)], "busy_poll").severity == "high"
    (f,) = found(tmp_path, [*rows(20_000, 0), used(10, 7, 9)])
    assert f.rule == "cpu_bound"


def test_errno_storm(tmp_path: Path) -> None:
    def rows(
        failed: int, made: int, syscall: str = "newfstatat", error: str = "ENOENT", errno: int = 2, took_ms: int = 100
    ) -> list[Row]:
        return [
            alive(7),
            spent(7, syscall, 1000, made),
            failures(at(5), 7, born(-100), syscall, error, errno, failed, total_ns=took_ms * MS),
        ]

    # They took 1 % of 10 s.
    f = only_of_the_first(
        tmp_path,
        "errno_storm",
        rows(10_000, 11_111),
        rows(9_999, 9_999),
        rows(10_000, 11_112),
        rows(10_000, 10_000, "futex", "EAGAIN", 11),
        rows(10_000, 10_000, "futex", "ETIMEDOUT", 110),
        rows(10_000, 10_000, "read", "ERESTARTSYS", 512),
        rows(10_000, 10_000, "openat", "ENOENT", 2),
        rows(10_000, 10_000, "connect", "ECONNREFUSED", 111),
        rows(10_000, 10_000, took_ms=99),  # what takes no time does no harm
    )
    assert (f.severity, f.summary) == ("low", "prog (7) fails in newfstatat with ENOENT 1,000 times a second")
    assert f.command == "sysmon report TRACE syscall_errors --pid 7"
    assert finds(tmp_path, rows(10_000, 10_000, "openat", "EACCES", 13), "errno_storm")
    for ms, severity in ((499, "low"), (500, "medium"), (2500, "high")):
        assert one(tmp_path, rows(10_000, 10_000, took_ms=ms), "errno_storm").severity == severity


def opened(pid: int, path: str, error: str | None = None, start: float = -100, **columns: Any) -> Row:
    given = {"origin": "absolute", "path": path, "error": error, "result": 3 if error is None else -2}
    given |= {"latency_ns": 1000} | columns
    return row("open", at(5), pid=pid, start=born(start), syscall="openat", **given)


def test_missing_files(tmp_path: Path) -> None:
    def rows(
        names: int, directories: int, there: int = 0, error: str = "ENOENT", latency_us: int = 100, comm: str = "cc"
    ) -> list[Row]:
        columns = {"error": error, "latency_ns": latency_us * 1000}
        walk = [opened(7, f"/d{d}/n{n}", **columns) for n in range(names) for d in range(directories)]
        return [alive(7, comm), *walk, *(opened(7, "/there") for _ in range(there))]

    # 1,000 of them took 0.1 s, 1 % of 10 s. Processes of one name are one finding.
    f = only_of_the_first(
        tmp_path,
        "missing_files",
        rows(100, 10, 1000),
        rows(100, 10, 1001, comm="too many exist"),
        rows(99, 10, comm="too few"),
        rows(112, 9, comm="in few places"),
        rows(100, 10, error="EACCES", comm="not allowed"),
        rows(100, 24, latency_us=2, comm="too little time"),  # 0.005 s
        rows(100, 10, latency_us=99, comm="less than 1 %"),
    )
    assert (f.severity, f.pid) == ("low", 7)
    assert f.summary == "cc (7) opens files that do not exist: 1,000 of 2,000 opens failed"
    assert "1,000 paths, each name tried 10.0 times" in f.evidence
    assert f.command == "sysmon report TRACE file_errors --pid 7"
    assert one(tmp_path, rows(100, 10, latency_us=500), "missing_files").severity == "medium"
    # 1,000 in 21 s are fewer than 50 a second.
    assert finds(tmp_path, rows(100, 10, latency_us=500), "missing_files", ended_ns=at(20))
    assert not found(tmp_path, rows(100, 10, latency_us=500), ended_ns=at(21))
    # Each of 20 processes does a part; the recorder's own are excluded.
    parts = [
        r
        for pid in range(20)
        for r in (alive(pid + 100), *(opened(pid + 100, f"/d{d}/n", "ENOENT", latency_ns=100_000) for d in range(50)))
    ]
    f = one(tmp_path, parts, "missing_files")
    assert (f.pid, f.summary) == (None, "20 × prog opens files that do not exist: 1,000 of 1,000 opens failed")
    assert f.command == "sysmon report TRACE file_errors"


def test_connect_retry(tmp_path: Path) -> None:
    def rows(
        failed: int,
        succeeded: int = 0,
        seconds: float = 1,
        error: str = "ECONNREFUSED",
        comm: str = "web",
        **columns: Any,
    ) -> list[Row]:
        given = {"socket_type": "SOCK_STREAM", "remote_address": "10.0.0.9", "remote_port": 5432, **columns}
        me = {"pid": 7, "start": born(-100), "syscall": "connect", "fd": 3}
        ends = [row("socket", at(1 + seconds * i / (failed - 1)), **me, error=error, **given) for i in range(failed)]
        return [alive(7, comm), *ends, *(row("socket", at(1), **me, **given) for _ in range(succeeded))]

    f = only_of_the_first(
        tmp_path,
        "connect_retry",
        rows(10, 1),
        rows(9, comm="too few"),
        rows(10, 2, comm="most succeed"),
        rows(10, seconds=0.99, comm="at once"),
        rows(10, error="EINPROGRESS", comm="asynchronous"),
        rows(10, socket_type="SOCK_DGRAM", comm="datagrams"),
        rows(10, remote_address="/var/run/nscd/socket", remote_port=None, comm="nscd"),
    )
    assert (f.severity, f.pid) == ("high", 7)
    assert f.summary == "web (7) cannot connect to 10.0.0.9 port 5432: 10 times ECONNREFUSED"
    assert f.evidence == "10 of 11 attempts failed in 1.0 s, mostly with ECONNREFUSED, to 10.0.0.9 port 5432"
    assert one(tmp_path, rows(10, seconds=2), "connect_retry").severity == "medium"


def test_slow_service(tmp_path: Path) -> None:
    me = {"pid": 7, "start": born(-100)}

    def rows(reads: int, latency_ms: int, a_connection: int = 1, *, accepted: bool = False) -> list[Row]:
        out = [alive(7, "shop")]
        for i in range(reads):
            if i % a_connection == 0:
                peer = {
                    "remote_address": "10.0.0.9",
                    "remote_port": 90,
                    "family": "AF_INET",
                    "socket_type": "SOCK_STREAM",
                }
                way = (
                    {"syscall": "accept4", "fd": 3, "result": 5}
                    if accepted
                    else {"syscall": "connect", "fd": 5, "result": 0}
                )
                out.append(row("socket", at(1 + i / 100), **me, **peer, **way))
            out.append(
                row("syscall", at(1.001 + i / 100), **me, syscall="recvfrom", arg1=5, latency_ns=latency_ms * MS)
            )
        return out

    f = only_of_the_first(
        tmp_path,
        "slow_service",
        rows(20, 50),
        rows(19, 60),
        rows(200, 9),
        rows(20, 49),
        rows(33, 50, 11),
        rows(20, 50, accepted=True),
    )
    assert (f.severity, f.pid) == ("medium", 7)
    assert f.summary == "shop (7) waits for 10.0.0.9 port 90: 50.0 ms per read, 1.0 s in total"
    assert one(tmp_path, rows(20, 250), "slow_service").severity == "high"
    assert finds(tmp_path, rows(30, 50, 10), "slow_service")


# Processes


SERVER = {"syscall": "connect", "fd": 3, "socket_type": "SOCK_STREAM", "family": "AF_INET"}


ADDRESSES: tuple[tuple[str, int | None, bool], ...] = (
    ("127.0.0.1", 5432, True),
    ("::ffff:127.0.0.1", 5432, True),
    ("::1", 5432, True),
    ("192.0.2.7", 5432, True),  # its own
    ("/run/postgresql/.s.PGSQL.5432", None, True),
    ("192.0.2.8", 5432, False),
    ("/var/run/nscd/socket", None, False),
)


def waits_for(address: str, port: int | None, comm: str) -> list[Row]:
    """A process that waits for a server 5 of 10 s."""
    family = "AF_UNIX" if port is None else "AF_INET"
    peer = SERVER | {"family": family, "remote_address": address, "remote_port": port, "local_address": "192.0.2.7"}
    return [
        alive(7, comm),
        row("socket", at(1), pid=7, start=born(-100), **peer),
        spent(7, "recvfrom", S, 1, total_ns=5 * S),
    ]


def test_a_server_of_this_machine_that_was_not_recorded(tmp_path: Path) -> None:
    cases = [waits_for(address, port, f"psql{place}") for place, (address, port, _) in enumerate(ADDRESSES)]
    followed = {"command": ["psql"], "command_status": 0}
    fs = {f.pid: f for f in found(tmp_path, apart(*cases), "unrecorded_server", **followed)}
    assert set(fs) == {7 + 1000 * place for place, (_, _, is_here) in enumerate(ADDRESSES) if is_here}
    for place, (address, port, is_here) in enumerate(ADDRESSES):
        if is_here:
            f = fs[7 + 1000 * place]
            where = address + (f" port {port}" if port else "")
            told = f"psql{place} ({f.pid}) waits, and the local server at {where} was not recorded: record it too"
            assert (f.severity, f.summary) == ("medium", told)
            assert "mostly recvfrom; 1 connection to " in f.evidence
            assert "`sysmon record --duration 60`" in f.evidence
    assert not finds(tmp_path, apart(*cases), "unrecorded_server"), "all was recorded"
    fast = [[*case[:2], spent(7, "recvfrom", 4 * S, 1)] for case in cases]
    assert not finds(tmp_path, apart(*fast), "unrecorded_server", **followed)
    server = {"pid": 8, "start": born(-100), "syscall": "accept4", "result": 4}
    recorded = [
        [*case, row("socket", at(1), **server, local_address=address, local_port=port)]
        for case, (address, port, _) in zip(cases, ADDRESSES, strict=True)
    ]
    assert not finds(tmp_path, apart(*recorded), "unrecorded_server", **followed)


def asked(second: float, pid: int = 7, **columns: Any) -> Row:
    """A socket that was connected to a name server."""
    given = {"syscall": "connect", "fd": 3, "tid": pid, "socket_type": "SOCK_DGRAM", "remote_address": "192.0.2.53"}
    return row("socket", at(second), pid=pid, start=born(-100), **given | {"remote_port": 53} | columns)


def test_name_lookups_without_an_answer(tmp_path: Path) -> None:
    # Two servers, both waited for.
    rows = [alive(7, "curl"), asked(1), asked(6), spent(7, "epoll_wait", 5 * S, 1)]
    f = one(tmp_path, rows, "name_lookup")
    assert (f.severity, f.pid) == ("high", 7)
    assert f.summary == "curl (7) waited 5.0 s for name lookups that got no answer: 192.0.2.53 port 53"
    assert f.evidence == (
        "2 sockets connected to a name server, mostly 192.0.2.53; 1 wait without an answer, 5.000 s of 10.000 s of "
        "life; 0 unreachable or refused"
    )
    # The reply came at once, and the next lookup was 5 s later, without such a wait in between.
    assert not finds(tmp_path, [*rows[:3], spent(7, "poll", 50 * MS, 20)], "name_lookup")
    assert not finds(tmp_path, [alive(7), asked(1, remote_port=123), asked(6, remote_port=123), rows[3]], "name_lookup")
    assert not finds(tmp_path, [alive(7), asked(1), asked(6, tid=8), rows[3]], "name_lookup"), "another thread"
    assert not finds(tmp_path, [alive(7), asked(1), asked(1.8), spent(7, "poll", round(0.8 * S), 2)], "name_lookup")
    assert one(tmp_path, [alive(7), asked(1), asked(1.9), spent(7, "poll", round(0.88 * S), 2)], "name_lookup")


def test_the_c_library_waits_5_s_on_one_socket(tmp_path: Path) -> None:
    def rows(second: float, took_ns: int, syscall: str = "poll") -> list[Row]:
        wait = calls(at(second), 7, born(-100), syscall, bucket_of(took_ns), 1, total_ns=took_ns, max_ns=took_ns)
        return [alive(7), asked(1), wait]

    # It sent at 1 s and waited until 6 s; the snapshot at 7 s counts that.
    f = one(tmp_path, rows(7, round(5.01 * S)), "name_lookup")
    assert (f.severity, f.evidence.split("; ")[1]) == ("high", "1 wait without an answer, 5.010 s of 10.000 s of life")
    assert not finds(tmp_path, rows(5.8, round(5.01 * S)), "name_lookup"), "it began before"
    assert not finds(tmp_path, rows(7, round(5.3 * S)), "name_lookup")
    assert not finds(tmp_path, rows(7, 4 * S), "name_lookup")
    assert not finds(tmp_path, rows(7, round(5.01 * S), "epoll_wait"), "name_lookup")


def test_name_servers_that_refuse(tmp_path: Path) -> None:
    def refused(count: int, syscall: str = "recvfrom") -> Row:
        return failures(at(5), 7, born(-100), syscall, "ECONNREFUSED", 111, count)

    f = one(tmp_path, [alive(7, "curl"), asked(1), asked(1.1), refused(2)], "name_lookup")
    assert f.severity == "medium"
    assert f.summary == "curl (7) cannot look up names: 192.0.2.53 port 53 was unreachable or refused 2 times"
    assert not finds(tmp_path, [alive(7), asked(1), refused(1)], "name_lookup")
    assert not finds(tmp_path, [alive(7), asked(1), refused(2, "sendto")], "name_lookup")
    # The refusals may be of the other socket.
    assert not finds(tmp_path, [alive(7), asked(1), asked(2, remote_port=514), refused(2)], "name_lookup")
    away = {"error": "ENETUNREACH", "result": -101}
    assert one(tmp_path, [alive(7), asked(1, **away), asked(1.1, **away)], "name_lookup").severity == "medium"


def test_connections_closed_only_by_the_client(tmp_path: Path) -> None:
    def rows(count: int, *, closes: bool = False, left_s: float = 1, **ending: Any) -> list[Row]:
        """Each client connects, gets descriptor 3 and ends; the server accepts each with its lowest free descriptor."""
        out = [alive(7, "srv")]
        for i in range(count):
            pid, second, port = 100 + i, 1 + i / 100, 40_000 + i
            here = {"local_port": 80, "remote_port": port}
            there = {"local_port": port, "remote_port": 80}
            fd = 5 if closes else 5 + i
            out += life(pid, second - 0.1, second + 0.1, "cli")
            out.append(row("socket", at(second), pid=pid, start=born(second - 0.1), syscall="connect", fd=3, **there))
            out.append(row("socket", at(second), pid=7, start=born(-100), syscall="accept4", result=fd, **here))
        # One more descriptor, this long after the last client's end.
        last = 1 + (count - 1) / 100 + 0.1 + left_s
        return [
            *out,
            row("socket", at(last), pid=7, start=born(-100), syscall="socket", result=5 if closes else 5 + count),
        ]

    f = one(tmp_path, rows(10), "close_wait")
    assert (f.severity, f.pid) == ("medium", 7)
    assert f.summary == "srv (7) keeps connections open that clients have closed (CLOSE_WAIT): 10 on port 80"
    # The first client ended at 1.1 s, the last descriptor came at 2.19 s.
    assert f.evidence == (
        "10 of 10 accepted connections stayed open for 1 s or more after the client had closed its end, up to 1.1 s"
    )
    assert not finds(tmp_path, rows(9), "close_wait")
    assert not finds(tmp_path, rows(10, left_s=0.9), "close_wait"), "the last was open for 0.9 s only"
    assert not finds(tmp_path, rows(20, closes=True), "close_wait")
    shut = [row("socket", at(2), pid=7, start=born(-100), syscall="shutdown", fd=5 + i) for i in range(10)]
    assert not finds(tmp_path, [*rows(10), *shut], "close_wait")
    alive_still = [r for r in rows(10) if r["kind"] != "exit"]
    assert not finds(tmp_path, alive_still, "close_wait"), "the clients may keep their ends"
    # Each client's descriptor is reused: the server has closed its end.
    again = [
        row("open", at(1.2), pid=100 + i, start=born(0.9 + i / 100), syscall="openat", result=3) for i in range(10)
    ]
    assert not finds(tmp_path, [*alive_still, *again], "close_wait"), "the last was open for 0.99 s since then"
    alive_still = [r for r in rows(10, left_s=1.2) if r["kind"] != "exit"]
    assert one(tmp_path, [*alive_still, *again], "close_wait")


def test_fork_storm(tmp_path: Path) -> None:
    def rows(
        count: int, spread_s: float = 8, lasts_s: float = 0.05, cpu_s: float | None = None, comm: str = "sh"
    ) -> list[Row]:
        out = [alive(50, comm)]
        for i in range(count):
            began = 1 + spread_s * i / count
            out += life(100 + i, began, began + lasts_s, "date", (50, -100, comm))
            out += [] if cpu_s is None else [used(10, 100 + i, cpu_s, start=born(began))]
        return out

    f = only_of_the_first(tmp_path, "fork_storm", rows(100), rows(99, comm="few"), rows(100, lasts_s=0.11, comm="long"))
    assert (f.severity, f.pid, f.comm) == ("low", 50, "sh")
    assert f.summary == "sh (50) started 100 short-lived processes, date, 13 a second"
    assert "median lifetime 50.0 ms" in f.evidence
    assert not found(tmp_path, rows(100, 30), ended_ns=at(40))
    # 100 times 5 ms are 0.5 s of about 8; 25 ms are more than a quarter.
    assert one(tmp_path, rows(100, cpu_s=0.005), "fork_storm").severity == "medium"
    assert one(tmp_path, rows(100, cpu_s=0.025), "fork_storm").severity == "high"


def test_a_build_is_no_fork_storm(tmp_path: Path) -> None:
    make = [alive(50, "make")]
    for i in range(100):
        began = 1 + 0.05 * i
        make += life(100 + i, began, began + 0.04, "gcc", (50, -100, "make"))
        make += life(1000 + i, began, began + 0.03, "cc1", (100 + i, began, "gcc"))
    assert not found(tmp_path, make)


def test_restart_loop(tmp_path: Path) -> None:
    def rows(failed: int, fine: int = 0, lasts_s: float = 0.1, comm: str = "mailer", **ending: Any) -> list[Row]:
        given = ending or {"exit_code": 78}
        endings = [given] * failed + [{"exit_code": 0}] * fine
        return [
            alive(50, "sh"),
            *(r for i, end in enumerate(endings) for r in life(100 + i, i + 1, i + 1 + lasts_s, comm, **end)),
        ]

    f = only_of_the_first(
        tmp_path,
        "restart_loop",
        rows(5, 1),
        rows(4, comm="too few"),
        rows(5, 2, comm="most succeed"),
        rows(5, lasts_s=1.1, comm="in parallel"),
        rows(5, exit_code=1, comm="grep"),
        rows(5, signal=13, comm="SIGPIPE"),  # the reader had seen enough
    )
    assert (f.severity, f.pid) == ("high", 50)
    assert f.summary == "mailer keeps failing and being restarted: 5 of 6 runs failed, started by sh, status 78"
    assert finds(tmp_path, rows(5, exit_code=1), "restart_loop")
    assert finds(tmp_path, rows(5, signal=15), "restart_loop")
    assert finds(tmp_path, rows(5, exit_code=2, comm="grep"), "restart_loop")
    # Cut by the window: three are left.
    assert not found(tmp_path, rows(5), since="+3")


def test_status_1_of_a_command_that_many_start_is_no_failure(tmp_path: Path) -> None:
    def rows(code: int) -> list[Row]:
        scripts = [alive(50 + i, "bash") for i in range(5)]
        return [
            *scripts,
            *(r for i in range(5) for r in life(100 + i, i + 1, i + 1.1, "x", (50 + i, -100, "bash"), exit_code=code)),
        ]

    assert not found(tmp_path, rows(1))
    assert finds(tmp_path, rows(2), "restart_loop")


def test_killed(tmp_path: Path) -> None:
    def rows(signal: int, **columns: Any) -> list[Row]:
        return [alive(50, "sh"), *life(7, 1, 3, "prog", signal=signal, **columns)]

    crashed = rows(11, core_dumped=True, peak_rss_bytes=3 * MEBI)
    f = only_of_the_first(tmp_path, "killed", crashed, *(rows(asked) for asked in (1, 2, 13, 15)))
    assert (f.severity, f.pid, f.comm) == ("high", 7, "prog")
    assert f.summary == "prog (7) crashed with SIGSEGV, started by sh, core dumped"
    assert f.evidence == "1 ended by SIGSEGV after 2.0 s or less, with 3.0 MiB resident or less; command: prog"
    assert one(tmp_path, rows(9), "killed").severity == "medium"
    assert not found(tmp_path, rows(11), since="+3.5")
    assert not found(tmp_path, rows(11), until="+2")
    several = [*rows(6), *life(8, 1, 2, "prog", signal=6)]
    f = one(tmp_path, several, "killed")
    assert (f.pid, f.summary) == (None, "2 × prog crashed with SIGABRT, started by sh")


def test_command_failed(tmp_path: Path) -> None:
    recorder = (RECORDER, -1, "sysmon")

    def rows(status: int, pid: int = 7, parent: tuple[int, float, str] = recorder, **columns: Any) -> list[Row]:
        return life(pid, 1, 5, "make", parent, exit_code=status, **columns)

    f = only_of_the_first(
        tmp_path,
        "command_failed",
        rows(2),
        rows(0),
    )
    anothers, earlier = rows(2, parent=(50, -100, "sh")), rows(2, parent=(RECORDER, -2, "sysmon"))
    assert not found(tmp_path, apart(anothers, earlier))
    assert (f.severity, f.pid, f.comm) == ("medium", 7, "make")
    assert f.summary == "make (7) is the recorded command, and failed: status 2"
    assert f.evidence == "status 2 after 4.000 s; command: make"
    f = one(tmp_path, life(7, 1, 5, "make", recorder, signal=15), "command_failed")
    assert f.summary == "make (7) is the recorded command, and failed: SIGTERM"
    assert not found(tmp_path, life(7, 1, 5, "make", recorder, signal=15), stopped_by="signal"), "by sysmon"
    assert finds(tmp_path, life(7, 1, 5, "make", recorder, signal=13), "command_failed", stopped_by="signal")
    assert not finds(tmp_path, life(7, 1, 5, "make", recorder, signal=11), "command_failed"), "it crashed"
    f = one(tmp_path, [], "command_failed", command_status=126)
    assert (f.summary, f.pid) == ("the recorded command failed: status 126", None)
    assert f.evidence == "status 126 (the command could not be run)"
    assert one(tmp_path, rows(2), "command_failed", command_status=2).pid == 7
    assert not found(tmp_path, [], command_status=0)
    assert not found(tmp_path, [], command_status=126, until="+5")
    assert not found(tmp_path, rows(2), until="+4.9")

    check = life(8, 4, 4.75, "sh", (7, 1, "make"), exit_code=1)
    earlier = life(9, 4, 4.5, "cc1", (7, 1, "make"), signal=11)
    f = one(
        tmp_path, [*rows(2), *earlier, *check, *life(10, 4, 4.9, "rm", (7, 1, "make"), exit_code=0)], "command_failed"
    )
    assert f.summary == ("make (7) is the recorded command, and failed: status 2, after sh (8) had ended with status 1")
    assert f.evidence.endswith("; command: make; 0.2500 s before its end sh (8) ended with status 1; command: sh")
    f = one(tmp_path, [*rows(2), *earlier], "command_failed")
    assert f.summary.endswith("after cc1 (9) had ended with SIGSEGV")
    long_ago = life(8, 2, 3.9, "sh", (7, 1, "make"), exit_code=1)
    assert "after" not in one(tmp_path, [*rows(2), *long_ago], "command_failed").summary


def test_a_finding_on_many_of_one_name_is_reported_once(tmp_path: Path) -> None:
    def rows(comms: list[str]) -> list[Row]:
        return [r for pid, comm in enumerate(comms, 10) for r in (alive(pid, comm), used(10, pid, 9 + pid / 100))]

    f, other = found(tmp_path, rows(["worker", "worker", "worker", "other"]), "cpu_bound")
    assert other.summary.startswith("worker (12 and 2 more) is CPU-bound: 9.1 s of CPU"), "the worst is named"
    assert other.pid == 12 and other.evidence.endswith("; also, to a lesser degree, 2 more of this name: 11, 10")
    assert f.summary.startswith("other (13) is CPU-bound")
    assert [f.pid for f in found(tmp_path, rows(["worker", "worker", "other"]), "cpu_bound")] == [12, 11, 10]
    (f,) = found(tmp_path, rows(["worker"] * 20), "cpu_bound")
    assert f.summary.startswith("worker (29 and 19 more) ")
    assert f.evidence.endswith(
        "; also, to a lesser degree, 19 more of this name: 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, ..."
    )


# Memory


def grown(pid: int, at_s: list[float], mib: list[float], start: float = -100) -> list[Row]:
    known = {"rss_file_bytes": 0, "rss_shmem_bytes": 0, "swap_bytes": 0}
    return [
        row("memory", at(s), pid=pid, start=born(start), rss_anon_bytes=round(m * MEBI), **known)
        for s, m in zip(at_s, mib, strict=True)
    ]


def test_memory_growth(tmp_path: Path) -> None:
    seconds = [float(s) for s in range(11)]

    def rows(mib: list[float], first: float = 10) -> list[Row]:
        return [alive(7, "leak"), *grown(7, seconds, [first + m for m in mib])]

    # 0.8 MiB a second are 48 a minute.
    line = [0.8 * s for s in seconds]
    f = only_of_the_first(
        tmp_path,
        "memory_growth",
        rows(line),
        rows([0.99 * m for m in line]),  # less than 8 MiB
        rows(line, 81),  # less than 10 %
        rows([0, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8]),  # a step
        rows([0, 8, 0, 8, 0, 8, 0, 8, 0, 8, 8]),  # no line
        rows([0, 2, 4, 6, 8, 9, 9.5, 10, 10.2, 10.4, 10.5]),  # it fills up
        [alive(7), *grown(7, seconds[:-1], line[:-1])],  # 9 s
    )
    assert (f.severity, f.pid, f.summary) == ("medium", 7, "leak (7) grows by 48.0 MiB a minute, like a leak")
    assert f.evidence == (
        "from 10.0 to 18.0 MiB of anonymous memory in 10.0 s and 11 snapshots: 48.0 MiB a minute, r2 1.000"
    )
    assert one(tmp_path, rows([20 * m for m in line]), "memory_growth").severity == "medium"
    assert one(tmp_path, rows([23 * m for m in line]), "memory_growth").severity == "high"
    assert not found(tmp_path, rows(line), since="+1.5")  # 9 snapshots


def held(pid: int, seconds: list[float], **columns: list[float | None]) -> list[Row]:
    """Rows of the kind `memory` with these columns, one value per second."""
    return [
        row("memory", at(s), pid=pid, start=born(-100), **{name: values[i] for name, values in columns.items()})
        for i, s in enumerate(seconds)
    ]


def shares(pid: int, second: float, **mib: float) -> Row:
    """A row of the kind `pss`."""
    sizes = {f"{name}_bytes": round(m * MEBI) for name, m in mib.items()}
    return row("pss", at(second), pid=pid, start=born(-100), reading_ns=1000, **sizes)


def test_growth_excludes_memory_shared_since_a_fork(tmp_path: Path) -> None:
    seconds = [float(s) for s in range(11)]
    rows = [alive(7, "worker"), *grown(7, seconds, [100 + 0.9 * s for s in seconds])]
    # 9 MiB are less than 10 % of 100, and more than that of its own 40: its share (PSS) is 60 of 120.
    assert not found(tmp_path, rows)
    f = one(tmp_path, [*rows, shares(7, 5, pss=70, pss_anon=60, anonymous=120)], "memory_growth")
    assert f.evidence == (
        "from 40.0 to 49.0 MiB of its own memory in 10.0 s and 11 snapshots: 54.0 MiB a minute, r2 1.000; "
        "60.0 MiB more are shared with others since a fork"
    )
    large = [
        *grown(7, seconds, [1 + 0.9 * s for s in seconds]),
        row("pss", at(5), pid=7, start=born(-100), unread="too large"),
    ]
    assert " of anonymous memory in " in one(tmp_path, [alive(7, "worker"), *large], "memory_growth").evidence
    # What was read before an exec is different memory.
    exec_ = row("exec", at(0), pid=7, start=born(-100), ppid=1, comm="worker", path="/w", argv=["w"])
    assert not found(tmp_path, [*rows, exec_, shares(7, -1, pss=70, pss_anon=60, anonymous=120)])
    alone = one(tmp_path, [*rows, shares(7, 5, pss=40, pss_anon=30, anonymous=120)], "memory_growth")
    assert alone.evidence.startswith("from 10.0 to 19.0 MiB of its own memory in")


def test_touching_shared_memory_is_no_leak(tmp_path: Path) -> None:
    seconds = [float(s) for s in range(11)]

    def rows(per_s: float) -> list[Row]:
        shmem = [(16 + per_s * s) * MEBI for s in seconds]
        known = {"rss_anon_bytes": [5.0 * MEBI] * 11, "rss_shmem_bytes": shmem, "swap_bytes": [0.0] * 11}
        return [alive(7, "postgres"), *held(7, seconds, **known)]  # type: ignore[arg-type]

    fs = found(tmp_path, [*rows(30), shares(7, 9, pss=81, pss_shmem=79, pss_anon=2, anonymous=5)])
    (f,) = fs
    assert (f.rule, f.severity) == ("shared_memory", "low")
    assert f.summary == (
        "postgres (7) touches 1800.0 MiB more of shared memory a minute, at most up to the size of the segment"
    )
    assert f.evidence == (
        "from 16.0 to 316.0 MiB of shared memory in 10.0 s and 11 snapshots: 1800.0 MiB a minute, r2 1.000; "
        "79.0 MiB are its share (PSS)"
    )
    assert not found(tmp_path, rows(0.79))  # less than 8 MiB


def test_what_leaks(tmp_path: Path) -> None:
    """470 descriptors of one file; of another, more were opened, and each was closed before the next."""
    held = [row("memory", at(i), pid=7, start=born(-100), descriptors=10 + 47 * i) for i in range(11)]
    mine = {"pid": 7, "start": born(-100), "syscall": "openat", "origin": "absolute"}
    leaked = [row("open", at(i / 47), **mine, path="/var/spool/job", result=10 + i) for i in range(470)]
    closed = [row("open", at(i / 100), **mine, path="/etc/hosts", result=9) for i in range(900)]
    f = one(tmp_path, [alive(7, "srv"), *held, *leaked, *closed], "descriptor_leak")
    assert f.evidence.startswith("from 10 to 480 descriptors in 10.0 s")
    assert f.evidence.endswith("; most descriptors, 470, went to /var/spool/job")


@pytest.mark.parametrize(("what", "least"), [("descriptors", 20), ("threads", 10)])
def test_leaks_of_descriptors_and_threads(tmp_path: Path, what: str, least: int) -> None:
    seconds = [float(s) for s in range(11)]
    rule = {"descriptors": "descriptor_leak", "threads": "thread_leak"}[what]

    def rows(grown_by: float, first: int = 30) -> list[Row]:
        values = [float(round(first + grown_by * s / 10)) for s in seconds]
        return [alive(7, "server"), *held(7, seconds, **{what: values})]  # type: ignore[arg-type]

    unknown = held(7, seconds, rss_anon_bytes=[0.0] * 11)
    f = only_of_the_first(
        tmp_path,
        rule,
        rows(least),
        rows(least - 1),
        rows(least, 10 * least + 10),  # less than 10 %
        [alive(7), *unknown],
    )
    assert f.severity == "medium"  # 120 or 60 a minute
    told = f.command.removeprefix("sysmon report TRACE ").split()[0]
    assert what in {column.name for column in find_report(told).columns}, "more of that is in the report it names"
    assert f.summary == f"server (7) gains {least * 6} {what} a minute, like a leak"
    assert f.evidence == (
        f"from 30 to {30 + least} {what} in 10.0 s and 11 snapshots: {least * 6}.0 a minute, r2 1.000"
    )
    assert one(tmp_path, rows(200), rule).severity == "high"
    # A process that also grows has both findings.
    both = held(7, seconds, rss_anon_bytes=[2.0 * s * MEBI for s in seconds], **{what: [10.0 + 5 * s for s in seconds]})
    f = one(tmp_path, [alive(7, "server"), *both], "memory_growth")
    assert f.evidence.endswith(f"; {what} from 10 to 60")


def test_growth_of_a_process_that_ends_is_no_leak(tmp_path: Path) -> None:
    seconds = [float(s) for s in range(1, 13)]
    rows = [alive(50, "sh"), *grown(7, seconds, [10.0 * s for s in seconds], 0.5), *life(7, 0.5, 12.5, "cc1")]
    compiled = [*rows, used(12, 7, 6, 1, start=born(0.5))]
    assert not finds(tmp_path, compiled, "memory_growth", ended_ns=at(14))
    served = [*rows, used(12, 7, 1, start=born(0.5))]
    assert finds(tmp_path, served, "memory_growth", ended_ns=at(14))


def test_growth_starts_anew_after_an_exec(tmp_path: Path) -> None:
    seconds = [float(s) for s in range(11)]
    start = row("exec", at(2.5), pid=7, start=born(-100), ppid=1, comm="prog", path="/bin/prog", argv=["prog"])
    assert not found(tmp_path, [alive(7), start, *grown(7, seconds, [2 * s for s in seconds])])


def test_pressure(tmp_path: Path) -> None:
    def rows(**columns: Any) -> list[Row]:
        return [row("machine", at(10), **columns)]

    f = one(tmp_path, rows(memory_some_ns=round(0.5 * S), memory_full_ns=0), "memory_pressure")
    assert f.severity == "medium"
    assert f.summary == "the machine is short of memory: tasks waited for it for 5.0 % of the time"
    assert one(tmp_path, rows(memory_some_ns=S, memory_full_ns=S), "memory_pressure").severity == "high"
    assert not found(tmp_path, rows(memory_some_ns=round(0.49 * S), memory_full_ns=0))
    available = {"mem_total_bytes": 1000 * MEBI, "mem_available_bytes": 29 * MEBI}
    f = one(tmp_path, rows(**available), "memory_pressure")
    assert f.summary == "the machine is short of memory, as little as 2.9 % was available"
    assert not found(tmp_path, rows(**available | {"mem_available_bytes": 30 * MEBI}))
    assert one(tmp_path, rows(io_full_ns=2 * S), "io_pressure").severity == "medium"
    assert one(tmp_path, rows(io_full_ns=5 * S), "io_pressure").severity == "high"
    assert not found(tmp_path, rows(io_full_ns=round(1.99 * S)))
    assert not found(tmp_path, rows())


# Losses


def lost(cause: str, place: str, count: int, second: float = 5) -> Row:
    return row("loss", at(second), cause=cause, place=place, lost=count)


def test_losses(tmp_path: Path) -> None:
    execs = [alive(7), *(row("exec", at(5), pid=7, start=born(-100), comm="prog", path=f"/{i}") for i in range(999))]

    def of(count: int, **asked: Any) -> list[Finding]:
        return found(tmp_path, [*execs, lost("ring full", "exec", count)], "losses", **asked)

    assert not of(0)
    assert [f.severity for f in of(1)] == []  # 0.1 %
    assert [f.severity for f in of(2)] == ["low"]
    assert [f.severity for f in of(11)] == ["medium"]
    assert [f.severity for f in of(111)] == ["high"]
    assert of(111)[0].summary == "the trace is incomplete: 111 lost, ring full exec"
    assert not of(111, until="+4")
    assert [f.severity for f in found(tmp_path, [lost("map full", "cpu", 1)])] == ["medium"]
    assert [f.severity for f in found(tmp_path, [lost("recursion", "on_kfree", 1)])] == ["low"]
    assert not found(tmp_path, [lost("unreadable", "path", 5), lost("refused", "syscall_stats", 5)])
    (f,) = found(tmp_path, [lost("stepped down", "exec", 11)])
    assert (f.severity, f.evidence) == ("low", "11 throttled (stepped down, exec)")
    assert f.summary == "the trace has throttled calls, which are counted but not rows: 11, stepped down exec"


def test_a_loss_that_affects_no_finding_is_low_and_last(tmp_path: Path) -> None:
    # Half of the opens are lost: this affects neither what a process used nor the summary.
    opens = [opened(7, f"/{i}") for i in range(9)]
    rows = [alive(7), used(10, 7, 9), *opens, lost("ring full", "open", 9)]
    first, last = found(tmp_path, rows)
    assert (first.rule, last.rule, last.severity) == ("cpu_bound", "losses", "low")
    assert last.evidence.endswith("50.0 % of all; no finding is based on these")
    # A stall of O_SYNC writes depends on opens.
    slow = [spent(7, "write", 25 * MS, 100), opened(7, "/wal", flags=O_RDWR | O_SYNC)]
    assert [f.severity for f in found(tmp_path, [*rows, *slow]) if f.rule == "losses"] == ["high"]
    assert one(tmp_path, [*rows, *slow], "sync_stall").weakened_by == "ring full open 9"


def test_a_finding_names_the_losses_that_weaken_it(tmp_path: Path) -> None:
    rows = [alive(7), used(10, 7, 9)]
    assert one(tmp_path, [*rows, lost("ring full", "open", 9)], "cpu_bound").weakened_by is None
    weak = [*rows, lost("map full", "cpu", 2), lost("recursion", "on_sched_switch", 1)]
    assert one(tmp_path, weak, "cpu_bound").weakened_by == "map full cpu 2, recursion on_sched_switch 1"


# All rules


def test_an_empty_trace_has_no_findings(tmp_path: Path) -> None:
    assert found(tmp_path, []) == []
    assert found(tmp_path, [alive(7)]) == []
    assert found(tmp_path, [row("exit", at(5), pid=7, start=None, comm=None)]) == []


def test_the_worst_comes_first(tmp_path: Path) -> None:
    rows = [alive(7), alive(8), used(10, 7, 8), used(10, 8, 9), *life(9, 1, 2, "x", signal=11)]
    assert [(f.rule, f.pid) for f in found(tmp_path, rows)] == [("killed", 9), ("cpu_bound", 8), ("cpu_bound", 7)]


def test_findings_on_chosen_processes(tmp_path: Path) -> None:
    rows = [alive(7), alive(8), used(10, 7, 8), used(10, 8, 9), *life(9, 1, 2, "x", signal=11)]
    assert [f.pid for f in found(tmp_path, rows, pids=(7, 9))] == [9, 7]
    rows.append(alive(50, "sh"))  # the parent, which was not chosen
    assert one(tmp_path, rows, "killed", pids=(9,)).summary == "x (9) crashed with SIGSEGV, started by sh"


def test_a_query_sees_what_the_report_does(tmp_path: Path) -> None:
    """Also before and after it was made a table."""
    path = write(tmp_path / "t.parquet", [alive(7), used(10, 7, 9)])
    query = "SELECT rule, summary FROM report.findings"
    with sysmon.open(path) as trace:
        before = trace.sql(query).fetchall()
        assert [(f.rule, f.summary) for f in findings(trace)] == before
    with sysmon.open(path) as trace:
        assert [(f.rule, f.summary) for f in findings(trace)] == before
        assert trace.sql(query).fetchall() == before
    assert len(before) == 1


def test_hostile_names_change_nothing(tmp_path: Path) -> None:
    name = "\x1b[2J'; DROP"
    rows = [alive(7, name), used(10, 7, 9)]
    f = one(tmp_path, rows, "cpu_bound", since="+0")
    assert f.comm == name
    assert "\x1b" not in "".join(finding_lines(f, 100))
    assert f.command == "sysmon report TRACE cpu --pid 7 --since +0"


def test_commands_can_be_pasted(tmp_path: Path) -> None:
    rows = [alive(7), used(10, 7, 9)]
    f = one(tmp_path, rows, "cpu_bound", since="2023-11-14 22:13:20", until="+20")
    assert shlex.split(f.command)[3:] == ["cpu", "--pid", "7", "--since", "2023-11-14 22:13:20", "--until", "+20"]


def test_unreaped(tmp_path: Path) -> None:
    """Three zombies present at start and end; two, or ones that came later, are not reported."""

    def zombies(both: int, late: int = 0) -> list[Row]:
        parent = {"ppid": 50, "parent_start": born(-100), "comm": "sh", "state": "Z"}
        rows = [alive(50, "keeper")]
        rows += [row("process", at(0), pid=100 + n, start=born(-5), edge="both", **parent) for n in range(both)]
        rows += [row("process", at(10), pid=300 + n, start=born(1), edge="end", **parent) for n in range(late)]
        return rows

    f = one(tmp_path, zombies(3), "unreaped")
    assert (f.severity, f.pid, f.comm) == ("low", 50, "keeper")
    assert f.summary == "keeper (50) has not reaped 3 children that ended"
    assert one(tmp_path, zombies(100), "unreaped").severity == "medium"
    assert not finds(tmp_path, zombies(2, late=5), "unreaped")


def test_stolen(tmp_path: Path) -> None:
    """A tenth of the 10 s that two CPUs wanted was stolen; less than a second, or than 5 %, is not reported."""

    def stolen(busy_s: float, stolen_s: float, idle_s: float) -> list[Row]:
        return [{**r, "stolen_ns": round(stolen_s * S)} for r in host(busy_s, idle_s)]

    f = one(tmp_path, stolen(4.5, 0.5, 5), "stolen")
    assert (f.severity, f.pid, f.summary) == (
        "medium", None, "the machine lost 10 % of its CPU time to the hypervisor",
    )  # fmt: skip
    assert "1.00 s were stolen from 2 CPUs" in f.evidence
    assert one(tmp_path, stolen(4, 1, 5), "stolen").severity == "high"
    assert not finds(tmp_path, stolen(4.5, 0.49, 5), "stolen")
    assert not finds(tmp_path, stolen(9.5, 0.49, 0), "stolen")
    assert not finds(tmp_path, host(5, 5), "stolen")
