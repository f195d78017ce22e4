"""Measures split by dimensions: sums, shares, totals, and what is refused."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import sysmon
from sysmon.analyze.trace.facts import dimensions, facts, usual
from sysmon.commands import cli
from sysmon.errors import BadRequest
from tests.traces import Row, at, born, calls, failures, row, write


def rows() -> list[Row]:
    """Two threads of a server and a client, in one interval from 1 s to 2 s."""
    here = {"waited_before_ns": 0, "ready_ns": 0, "ready_before_ns": 0, "user_ns": 0, "system_ns": 0}
    out = [row("clock", at(s), event="snapshot") for s in (1, 2)]
    for pid, comm, tid, ran_s, waited_for, waited_s in (
        (7, "srv", 7, 0.25, "disk", 0.75),
        (7, "srv", 8, 0.5, "lock", 0.5),
        (9, "cli", 9, 0.125, "disk", 0.25),
    ):
        ran = {"oncpu_ns": round(ran_s * 1e9), "occupied_ns": round(ran_s * 1e9)}
        slept = {"waited_for": waited_for, "syscall": "read", "waits": 1, "waited_ns": round(waited_s * 1e9)}
        who = {"pid": pid, "start": born(-100), "tid": tid, "thread": comm}
        out.append(row("process", at(0), pid=pid, start=born(-100), ppid=1, comm=comm, edge="both"))
        out.append(row("cpu", at(2), **who, **ran, **slept, **here))
    out += [calls(at(2), 7, born(-100), "read", 10, 5, bytes=100), calls(at(2), 9, born(-100), "write", 10, 3, bytes=7)]
    stack = {"user_stack": 1, "tid": 7, "thread": "srv", "samples": 4}
    out.append(row("samples", at(2), pid=7, start=born(-100), **stack))
    out.append(row("samples", at(2), pid=9, start=born(-100), tid=9, thread="cli", samples=3))
    out.append(row("frame", at(2), frame=1, function="hot", module="/bin/srv"))
    out.append(row("stack", at(2), stack=1, caller=0, frame=1))
    ended = {"tid": 9, "thread": "cli", "waited_for": "pipe", "waits": 1, "waited_ns": 2**28, "max_waited_ns": 2**28}
    waker = {"woken_by": "thread", "waker_pid": 7, "waker_start": born(-100), "object": 5, "held_ns": 0}
    out.append(row("waits", at(2), pid=9, start=born(-100), **ended, **waker))
    wrote = {"way": "write", "syscall": "write", "object_type": "pipe", "object": 5, "calls": 4, "bytes": 9}
    out.append(row("objects", at(2), pid=7, start=born(-100), **wrote, errors=0, total_ns=2**27))
    return [*out, failures(at(2), 7, born(-100), "read", "EAGAIN", 11, 2)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "t.parquet", rows())


def test_time_by_command_and_state(path: Path) -> None:
    with sysmon.open(path) as trace:
        found = trace.pivot(["comm", "state"]).fetchall()
        # 2.375 s: the server 0.75 running, 0.75 disk, 0.5 lock; the client 0.25 disk, 0.125 running.
        assert [(comm, state, s) for comm, state, s, _ in found] == [
            ("srv", "disk", 0.75),
            ("srv", "running", 0.75),
            ("srv", "lock", 0.5),
            ("cli", "disk", 0.25),
            ("cli", "running", 0.125),
        ]
        assert [share for *_, share in found] == pytest.approx([100 * s / 2.375 for _, _, s, _ in found])
        assert trace.pivot(["syscall"], where="state <> 'running'").fetchall() == [("read", 1.5, 100.0)]


@pytest.mark.parametrize("measure", [fact.name for fact in facts()])
def test_sums_by_each_dimension_are_the_total(path: Path, measure: str) -> None:
    """And that is the sum of the report."""
    reported = {
        "time": "SELECT SUM(wall_s) FROM report.wall_time",
        "calls": "SELECT SUM(calls) FROM report.syscalls",
        "errors": "SELECT SUM(calls) FROM main.syscall_errors",
        "bytes": "SELECT SUM(bytes) FROM main.syscall_stats",
        "samples": "SELECT SUM(samples) FROM main.samples",
        "wait_time": "SELECT SUM(total_s) FROM report.wakers",
        "io_time": "SELECT SUM(total_s) FROM report.connection_io",
        "io_bytes": "SELECT SUM(bytes) FROM main.object_io",
        "io_calls": "SELECT SUM(calls) FROM main.object_io",
    }
    with sysmon.open(path) as trace:
        ((total,),) = trace.sql(reported[measure]).fetchall()
        assert total
        (fact,) = (fact for fact in facts() if fact.name == measure)
        assert trace.pivot(measure=measure).columns[:2] == list(usual(fact))
        for name in dimensions(fact):
            asked = trace.pivot_of([name], measure, None)
            assert sum(amount for _, amount, _ in trace.sql(asked.sql).fetchall()) == total
            assert trace.own(asked.total_sql).fetchall() == [(total,)]


@pytest.mark.parametrize(
    ("by", "measure", "where", "said"),
    [
        (["state"], "errors", None, r"errors cannot be split by state \(time, wait_time can\); it can by pid, comm"),
        (["nonsense"], "time", None, "time cannot be split by nonsense; it can by pid"),
        (["comm", "comm"], "time", None, "given twice"),
        ([], "time", None, "nothing to split time by; give one or more of pid"),
        (["comm"], "tim", None, "there is no measure tim; did you mean time?"),
        (["comm"], "time", "pid + 1", "not true or false"),
        (["comm"], "time", "stat = 'x'", "did you mean state?"),
        (["comm"], "time", "error = 'EIO'", "there is no column error"),
    ],
)
def test_what_there_is_not_is_one_line(path: Path, by: list[str], measure: str, where: str | None, said: str) -> None:
    with sysmon.open(path) as trace, pytest.raises(BadRequest, match=said):
        trace.pivot(by, measure, where)


def test_who_woke_whom_and_which_function_ran(path: Path) -> None:
    with sysmon.open(path) as trace:
        waits = trace.pivot(["comm", "state", "object", "waker", "peer"], measure="wait_time").fetchall()
        assert waits == [("cli", "pipe", "pipe:[5]", "srv (7)", "srv (7)", 2**28 / 1e9, 100)]
        ran = trace.pivot(["function", "module", "mode"], measure="samples").fetchall()
        assert [r[:4] for r in ran] == [("hot", "/bin/srv", "user", 4), ("[unknown]", None, None, 3)]


def test_which_intervals_a_window_has(tmp_path: Path) -> None:
    """Also a wait that goes on is not cut where everything else is whole."""
    goes_on = {"tid": 7, "waited_for": "lock", "off_cpu_ns": 9 * 10**9}
    snapshots = [row("clock", at(s), event="snapshot") for s in (3, 10)]
    given = [*rows(), *snapshots, row("thread", at(10), pid=7, start=born(-100), **goes_on)]
    path = write(tmp_path / "t.parquet", given)

    def said(command: str, *arguments: str) -> tuple[list[str], str]:
        done = CliRunner().invoke(cli, [command, str(path), *arguments])
        assert not done.exception, done.exception
        return done.stdout.splitlines(), done.stderr

    def in_window(since: str, until: str, *arguments: str) -> tuple[list[str], str]:
        return said("pivot", "--by", "pid", *arguments, "--since", since, "--until", until, "--format", "csv")

    told = "window: counts are of whole intervals between snapshots, those that end in it: "
    assert in_window("+1.2", "+1.8") == (
        ["pid,time_s,share_pct"],
        f"{told}none; the snapshots around it are at +1.000 and +2.000\n",
    )
    # From 1 s to 2 s: 2 s of the two threads, and 1 s of the wait that goes on; the client's 0.375 s.
    rows_of, note = in_window("+1.5", "+2.5")
    assert [line.split(",")[:2] for line in rows_of[1:]] == [["7", "3.0"], ["9", "0.375"]]
    assert note == f"{told}from +1.000 to +2.000, not from +1.500 to +2.500\n"
    assert in_window("+1", "+2") == (rows_of, ""), "aligned"
    assert said("report", "wall_time", "--since", "+1.2", "--until", "+1.8")[1].startswith(f"{told}none")
    assert said("report", "execs", "--since", "+1.2", "--until", "+1.8")[1] == "", "events are not counted"


def test_the_command(path: Path) -> None:
    def said(*arguments: str) -> str:
        done = CliRunner().invoke(cli, ["pivot", str(path), *arguments])
        assert not done.exception, done.exception
        return done.output

    assert said("--by", "state", "--format", "csv").splitlines()[0] == "state,time_s,share_pct"
    assert said("--by", "comm,state").splitlines()[-1] == "total 2.375 s"
    assert said("--measure", "errors").split()[:2] == ["comm", "error"]
    query = said("--by", "comm", "--where", "pid = 7", "--sql").strip()
    done = CliRunner().invoke(cli, ["sql", str(path), query, "--format", "csv"])
    assert done.output == "comm,time_s,share_pct\nsrv,2.0,100.0\n"
    done = CliRunner().invoke(cli, ["pivot", str(path), "--where", "comm = 1"])
    assert isinstance(done.exception, BadRequest)
    assert "--where: " in str(done.exception)


def test_the_list_has_every_dimension() -> None:
    done = CliRunner().invoke(cli, ["pivot", "--list", "--format", "csv"])
    assert len(done.output.splitlines()) == 1 + sum(len(dimensions(fact)) for fact in facts())
