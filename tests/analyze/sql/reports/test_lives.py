"""Lives, storms, restart loops and failures; each answer worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

import sysmon
from sysmon.analyze.strace import abi
from tests import traces
from tests.traces import Row, at, born, row


def report(tmp_path: Path, name: str, rows: list[Row], **part: Any) -> list[dict[str, Any]]:
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows), **part) as trace:
        return trace.report(name).df().astype(object).where(lambda d: d.notna(), None).to_dict("records")


def seconds(instant: Any) -> float | None:
    """A moment as seconds since the start of the recording."""
    return None if instant is None else round((instant.value - traces.T0) / 10**9, 6)


def forked(pid: int, second: float, parent: tuple[int, float], comm: str = "sh") -> Row:
    ppid, parent_second = parent
    return row("fork", at(second), pid=pid, start=born(second), ppid=ppid, parent_start=born(parent_second), comm=comm)


def executed(pid: int, start: float, second: float, *argv: str, **columns: Any) -> Row:
    comm = argv[0] if argv else None
    given = {"path": comm and f"/bin/{comm}", "argv": list(argv) or None, "tid": pid} | columns
    return row("exec", at(second), pid=pid, start=born(start), comm=comm, **given)


def ended(pid: int, start: float, second: float, comm: str | None = None, **columns: Any) -> Row:
    given = {"lifetime_ns": at(second) - at(start), "core_dumped": False} | (columns or {"exit_code": 0})
    return row("exit", at(second), pid=pid, start=born(start), comm=comm, **given)


def ran(
    pid: int, start: float, end: float, parent: tuple[int, float], *argv: str, code: int = 0, after: float = 0.001
) -> list[Row]:
    """A process that is forked, calls execve a moment later, and exits."""
    return [
        forked(pid, start, parent),
        executed(pid, start, start + after, *argv),
        ended(pid, start, end, argv[0], exit_code=code),
    ]


def alive(pid: int, start: float, comm: str, edge: str = "start", **columns: Any) -> Row:
    second = 10 if edge == "end" else 0
    return row("process", at(second), pid=pid, start=born(start), comm=comm, edge=edge, **columns)


def used(second: float, pid: int, start: float, cpu_ms: int) -> Row:
    return row("cpu", at(second), pid=pid, start=born(start), oncpu_ns=cpu_ms * 10**6)


SHELL = (50, -500.0)


def lives(tmp_path: Path, rows: list[Row], *names: str, **part: Any) -> list[tuple[Any, ...]]:
    return [
        tuple(seconds(r[n]) if n in ("began", "ended") else r[n] for n in names)
        for r in report(tmp_path, "lives", rows, **part)
    ]


def test_a_life_is_from_exec_to_exec_or_exit(tmp_path: Path) -> None:
    rows = [
        alive(*SHELL, "bash", argv=["bash", "-l"]),
        forked(7, 1, SHELL, "bash"),
        executed(7, 1, 1.25, "env", "python3"),
        executed(7, 1, 1.5, "python3"),
        row("rename", at(2), pid=7, start=born(1), tid=7, old_comm="python3", comm="worker"),
        row("rename", at(2.5), pid=7, start=born(1), tid=8, old_comm="worker", comm="thread"),  # not the process's
        ended(7, 1, 4, "worker", exit_code=3),
        used(2, 7, 1, 300),
        used(5, 50, -500, 20),
    ]
    names = ("pid", "comm", "began", "ended", "lifetime_s", "ended_by", "exit_code", "before_exec_s", "cpu_s", "execs")
    assert lives(tmp_path, rows, *names) == [
        (7, "env", 1.25, 1.5, 0.25, "exec", None, 0.25, None, 1),
        (7, "worker", 1.5, 4, 2.5, "exit", 3, None, None, 2),
        (50, "bash", None, None, None, None, None, None, 0.02, 0),
    ]
    assert lives(tmp_path, rows, "command", "ppid", "parent_comm") == [
        ("env python3", 50, "bash"),
        ("python3", 50, "bash"),
        ("bash -l", None, None),
    ]


def test_one_program_has_the_cpu_time_of_its_process(tmp_path: Path) -> None:
    rows = [*ran(7, 1, 3, SHELL, "cc"), used(2, 7, 1, 300), used(3, 7, 1, 200)]
    assert lives(tmp_path, rows, "pid", "comm", "cpu_s") == [(7, "cc", 0.5)]
    assert lives(tmp_path, rows, "cpu_s", until="+2.5") == [(0.3,)]


def test_a_process_that_executes_nothing_lives_from_its_fork(tmp_path: Path) -> None:
    rows = [forked(7, 1, SHELL), ended(7, 1, 1.5, "sh", signal=9)]
    names = ("comm", "began", "ended", "lifetime_s", "ended_by", "signal", "exit_code", "command", "before_exec_s")
    assert lives(tmp_path, rows, *names) == [("sh", 1, 1.5, 0.5, "signal", 9, None, "[sh]", None)]


def test_lives_cut_by_the_start_or_end(tmp_path: Path) -> None:
    rows = [
        # Ran before the recording: since when is unknown. Calls execve at +2, and that program continues.
        alive(7, -5, "old", argv=["old", "-x"]),
        executed(7, -5, 2, "new"),
        alive(7, -5, "new", "end", argv=["new"]),
        # Ran before the recording, and ended in it.
        alive(8, -4, "gone"),
        ended(8, -4, 3, "gone"),
        # Forked in it, still alive.
        forked(9, 4, SHELL),
        executed(9, 4, 4.5, "late"),
        # Alive from start to end.
        alive(10, -3, "init", "both"),
    ]
    assert lives(tmp_path, rows, "pid", "comm", "command", "began", "ended", "lifetime_s", "ended_by") == [
        (7, "new", "new", 2, None, None, None),
        (9, "late", "late", 4.5, None, None, None),
        (7, "old", "old -x", None, 2, None, "exec"),
        (8, "gone", "[gone]", None, 3, None, "exit"),
        (10, "init", "[init]", None, None, None, None),
    ]


def test_a_pid_used_twice_is_two_lives(tmp_path: Path) -> None:
    rows = [*ran(7, 1, 2, SHELL, "first"), *ran(7, 5, 6, SHELL, "second"), used(3, 7, 1, 100), used(7, 7, 5, 200)]
    assert lives(tmp_path, rows, "pid", "comm", "began", "ended", "cpu_s") == [
        (7, "first", 1.001, 2, 0.1),
        (7, "second", 5.001, 6, 0.2),
    ]


def test_lives_with_missing_events(tmp_path: Path) -> None:
    rows = [
        used(2, 7, 1, 100),  # no name, no end
        ended(8, 2, 3),  # no name, no fork
        executed(9, 3, 4, "lost", argv=None),  # no fork, no arguments
    ]
    names = ("pid", "comm", "command", "began", "ended", "lifetime_s", "ended_by", "cpu_s", "before_exec_s")
    assert lives(tmp_path, rows, *names) == [
        (9, "lost", "/bin/lost", 4, None, None, None, 0, None),
        (7, None, None, None, None, None, None, 0.1, None),
        (8, None, None, None, 3, None, "exit", 0, None),
    ]


def test_an_exec_whose_fork_was_lost_has_no_life_before_it(tmp_path: Path) -> None:
    rows = [executed(7, 1, 2, "one"), executed(7, 1, 3, "two")]
    assert lives(tmp_path, rows, "comm", "execs", "began", "ended") == [("one", 1, 2, 3), ("two", 2, 3, None)]


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, [("env", None), ("python3", None)]),
        ("+0.5", "+1.4", [("env", 0)]),
        ("+2", "+3", [("python3", 0.3)]),
        ("+1.4", "+1.6", [("env", None), ("python3", None)]),
        ("+5", "+6", []),
    ],
)
def test_a_window_shows_the_lives_in_it(tmp_path: Path, since: str, until: str, expected: list[Any]) -> None:
    rows = [
        forked(7, 1, SHELL),
        executed(7, 1, 1.1, "env"),
        executed(7, 1, 1.5, "python3"),
        ended(7, 1, 4),
        used(3, 7, 1, 300),
    ]
    assert lives(tmp_path, rows, "comm", "cpu_s", since=since, until=until) == expected


def test_lives_of_a_chosen_process_know_its_parent(tmp_path: Path) -> None:
    rows = [alive(*SHELL, "bash"), *ran(7, 1, 3, SHELL, "cc"), *ran(8, 1, 3, SHELL, "ld")]
    assert lives(tmp_path, rows, "pid", "parent_comm", pids=(8,)) == [(8, "bash")]


def build(count: int, lifetime: float = 0.05) -> list[Row]:
    """A make that stays, and `count` times a shell that runs a compiler: two every 0.1 s, one process below another."""
    rows = [alive(*SHELL, "bash"), forked(100, 0.5, SHELL), executed(100, 0.5, 0.5, "make"), ended(100, 0.5, 9, "make")]
    for n in range(count):
        second = 1 + 0.1 * (n // 2)
        sh = (1000 + 2 * n, second)
        rows += ran(*sh, second + lifetime + 0.01, (100, 0.5), "sh", "-c", f"cc {n}")
        rows += ran(1001 + 2 * n, second, second + lifetime, sh, "cc", str(n), code=1 if n < 3 else 0)
        rows.append(used(second + 0.1, 1001 + 2 * n, second, 40))
    return rows


def test_a_storm_names_the_process_behind_it(tmp_path: Path) -> None:
    # 23 compilers, each the child of an equally short-lived shell; make, which lived 8.5 s, is behind both.
    cc, sh = report(tmp_path, "storms", build(23))
    assert (cc["comm"], cc["parent_comm"], cc["parent_pid"], cc["parent_start"]) == ("cc", "make", 100, born(0.5))
    assert (cc["processes"], cc["failed"], round(cc["cpu_s"], 6)) == (23, 3, 0.92)
    # Two begin every 0.1 s: 20 within one second, its end excluded.
    assert (cc["peak_per_s"], round(cc["median_lifetime_ms"], 3)) == (20, 50)
    assert (seconds(cc["first_started"]), seconds(cc["last_ended"])) == (1, 2.15)
    assert (sh["comm"], sh["parent_comm"], sh["processes"], sh["failed"]) == ("sh", "make", 23, 0)


def test_few_or_long_lived_processes_are_no_storm(tmp_path: Path) -> None:
    assert len(report(tmp_path, "storms", build(20))) == 2
    assert report(tmp_path, "storms", build(19)) == []
    assert report(tmp_path, "storms", build(30, lifetime=1.0)) == []


def test_a_storm_whose_parent_is_not_known(tmp_path: Path) -> None:
    rows = [ended(n, 1 + n / 1000, 2, "cron") for n in range(101, 130)]
    (storm,) = report(tmp_path, "storms", rows)
    assert (storm["comm"], storm["parent_comm"], storm["parent_pid"], storm["processes"]) == ("cron", None, None, 29)
    nameless = [{**r, "comm": None} for r in rows]
    assert report(tmp_path, "storms", nameless) == []


def test_a_storm_in_a_circle_of_parents(tmp_path: Path) -> None:
    rows = []
    for n in range(23):
        rows += [forked(200 + n, 1, (200 + (n + 1) % 23, 1), "x"), ended(200 + n, 1, 1.5, "x")]
    assert sum(r["processes"] for r in report(tmp_path, "storms", rows)) <= 23


def test_a_restart_loop(tmp_path: Path) -> None:
    service = ("server", "--port", "80")
    rows = [
        alive(60, -90, "runsv"),
        *ran(201, 1, 1.5, (60, -90), *service, code=1),
        *ran(202, 2, 2.1, (60, -90), *service, code=1),
        *ran(203, 3.1, 3.4, (60, -90), *service),
        *ran(204, 1, 3, (60, -90), "other"),
        *ran(205, 5, 6, (60, -90), "server", "--port", "81"),  # another command line
        *ran(206, 7, 8, SHELL, *service),  # another parent
    ]
    (loop,) = report(tmp_path, "restarts", rows)
    assert (loop["comm"], loop["parent_comm"], loop["parent_pid"]) == ("server", "runsv", 60)
    # Lifetimes 500, 100 and 300 ms; gaps from 1.5 to 2 and from 2.1 to 3.1.
    assert (loop["starts"], loop["failed"], round(loop["median_lifetime_ms"], 3), loop["median_gap_ms"]) == (
        3, 2, 300, 750,
    )  # fmt: skip
    assert (loop["command"], seconds(loop["first_started"]), seconds(loop["last_started"])) == (
        "server --port 80", 1, 3.1,
    )  # fmt: skip


def test_parallel_workers_are_no_restarts(tmp_path: Path) -> None:
    side_by_side = [r for n in range(5) for r in ran(201 + n, 1 + n, 3 + n, (60, -90), "worker")]
    # Five of two seconds each, overlapping: only the first begins when all others have ended.
    assert report(tmp_path, "restarts", side_by_side) == []
    # One that never ends blocks all that follow.
    forever = [forked(300, 0.5, (60, -90)), executed(300, 0.5, 0.6, "job")]
    jobs = [r for n in range(4) for r in ran(201 + n, 1 + n, 1.5 + n, (60, -90), "job")]
    assert report(tmp_path, "restarts", [*forever, *jobs]) == []
    assert [r["starts"] for r in report(tmp_path, "restarts", jobs)] == [4]


def test_failures(tmp_path: Path) -> None:
    rows = [
        alive(*SHELL, "bash"),
        *ran(7, 1, 2, SHELL, "good"),
        *ran(8, 1, 3, SHELL, "bad", code=2),
        forked(9, 1, SHELL),
        executed(9, 1, 1.1, "crash"),
        ended(9, 1, 1.5, "crash", signal=11, core_dumped=True),
        ended(10, 1, 4, signal=35),
        used(2, 8, 1, 70),
    ]
    crash, bad, nameless = report(tmp_path, "failures", rows)
    assert (crash["comm"], crash["exit_code"], crash["signal"], crash["signal_name"], crash["core_dumped"]) == (
        "crash", None, 11, "SIGSEGV", True,
    )  # fmt: skip
    assert (bad["comm"], bad["exit_code"], bad["signal"], bad["signal_name"]) == ("bad", 2, None, None)
    assert (bad["lifetime_s"], bad["cpu_s"], bad["parent_comm"], bad["command"]) == (2, 0.07, "bash", "bad")
    assert (nameless["comm"], nameless["signal_name"], nameless["parent_comm"]) == (None, "SIGRT_3", None)
    # In the window in which they ended.
    assert [r["comm"] for r in report(tmp_path, "failures", rows, since="+2", until="+3.5")] == ["bad"]
    assert [r["comm"] for r in report(tmp_path, "failures", rows, until="+2")] == ["crash"]


def test_names_of_signals(tmp_path: Path) -> None:
    rows = [ended(100 + n, 1, 1 + n / 100, signal=n) for n in range(1, 65)]
    names = {r["signal"]: r["signal_name"] for r in report(tmp_path, "failures", rows)}
    assert {n: name for n, name in names.items() if n < 32} == abi.SIGNALS
    assert (names[32], names[64]) == ("SIGRT_0", "SIGRT_32")


def test_a_window_with_nothing_in_it(tmp_path: Path) -> None:
    rows = [*build(30), *ran(7, 1, 2, SHELL, "x", code=1)]
    for name in ("storms", "restarts", "failures"):
        assert report(tmp_path, name, rows, since="+9.5", until="+9.6") == []
    # A process that lives from start to end is in every window.
    assert lives(tmp_path, rows, "comm", "began", since="+9.5", until="+9.6") == [("bash", None)]
