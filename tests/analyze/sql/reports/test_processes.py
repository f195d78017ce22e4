"""Processes: identity, lifetime and usage; each answer worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

import sysmon
from sysmon.errors import BadRequest
from tests import traces
from tests.traces import Row, at, born, calls, row


def query(tmp_path: Path, sql: str, rows: list[Row], part: dict[str, Any] | None = None, **changes: Any) -> list[Any]:
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows, **changes), **(part or {})) as trace:
        return trace.sql(sql).fetchall()


def life(
    pid: int, start_s: float, end_s: float | None, parent: tuple[int, float] | None = None, name: str = "true"
) -> list[Row]:
    """A process that is forked, runs a program, and ends with code 0."""
    ppid, parent_start = (parent[0], born(parent[1])) if parent else (1, born(-1000))
    me = {"pid": pid, "start": born(start_s), "ppid": ppid}
    out = [
        row("fork", at(start_s), **me, parent_start=parent_start, comm="sh", uid=1000),
        row("exec", at(start_s + 0.01), **me, comm=name, path=f"/bin/{name}", argv=[name, "-x"], tid=pid, uid=1000),
    ]
    if end_s is not None:
        ns = round((end_s - start_s) * 10**9)
        out.append(row("exit", at(end_s), **me, comm=name, exit_code=0, lifetime_ns=ns, core_dumped=False))
    return out


def test_a_whole_life(tmp_path: Path) -> None:
    rows = [
        *life(7, 1, 3),
        row("cpu", at(2), pid=7, start=born(1), oncpu_ns=4, voluntary_switches=1),
        row("cpu", at(3), pid=7, start=born(1), oncpu_ns=5, voluntary_switches=1),
        calls(at(2), 7, born(1), "read", 40, 11),
    ]
    sql = (
        "SELECT pid, ppid, uid, comm, path, command, epoch_ns(started), epoch_ns(ended), lifetime_ns, exit_code, "
        "signal, cpu_ns, syscalls, alive_at_start, alive_at_end, is_recorder FROM processes"
    )
    expected = (
        7,
        1,
        1000,
        "true",
        "/bin/true",
        "true -x",
        at(1),
        at(3),
        2 * 10**9,
        0,
        None,
        9,
        11,
        False,
        False,
        False,
    )
    assert query(tmp_path, sql, rows) == [expected]


def test_alive_at_both_ends(tmp_path: Path) -> None:
    me = {
        "pid": 900,
        "start": born(-1),
        "ppid": 1,
        "comm": "sysmon",
        "argv": ["sysmon", "record"],
        "kernel_thread": False,
    }
    rows = [row("process", at(0), **me, edge="start"), row("process", at(10), **me, edge="end")]
    sql = (
        "SELECT epoch_ns(started), ended, lifetime_ns, alive_at_start, alive_at_end, is_recorder, cpu_ns, command "
        "FROM processes"
    )
    assert query(tmp_path, sql, rows) == [(at(-1), None, None, True, True, True, None, "sysmon record")]


@pytest.mark.parametrize(("changes", "expected"), [({}, (0, 0)), ({"pids": [7]}, (None, None))])
def test_no_use_is_zero_only_where_everything_was_counted(tmp_path: Path, changes: Any, expected: Any) -> None:
    rows = [
        row("process", at(0), pid=5, start=born(-1), edge="start"),
        row("cpu", at(1), pid=7, start=born(0), oncpu_ns=1, voluntary_switches=1),
        calls(at(1), 7, born(0), "read", 40, 1),
    ]
    assert query(tmp_path, "SELECT cpu_ns, syscalls FROM processes WHERE pid = 5", rows, **changes) == [expected]


def test_a_name_is_the_last_one_known(tmp_path: Path) -> None:
    me = {"pid": 7, "start": born(0)}
    rows = [
        row("fork", at(1), **me, comm="sh"),
        row("exec", at(2), **me, comm="java", path="/bin/java"),
        row("rename", at(3), **me, tid=7, old_comm="java", comm="main"),
        row("rename", at(4), **me, tid=8, old_comm="java", comm="worker"),  # a thread's name is not the process's
    ]
    assert query(tmp_path, "SELECT comm, path FROM processes", rows) == [("main", "/bin/java")]
    rows.append(row("exit", at(5), **me, comm="bye"))
    assert query(tmp_path, "SELECT comm FROM processes", rows) == [("bye",)]
    # The window does not cut names: at +3 s it was called main, and its last known name is bye.
    assert query(tmp_path, "SELECT comm FROM processes", rows, {"until": "+3"}) == [("bye",)]


def test_arguments_are_of_the_last_program_or_unknown(tmp_path: Path) -> None:
    me = {"pid": 7, "start": born(0)}
    rows = [
        row("exec", at(1), **me, comm="sh", path="/bin/sh", argv=["sh", "-c", "exec true"]),
        row("exec", at(2), **me, comm="true", path="/bin/true"),  # its arguments could not be read
    ]
    assert query(tmp_path, "SELECT path, argv, command FROM processes", rows) == [("/bin/true", None, "/bin/true")]


def test_a_cut_argv_ends_in_dots(tmp_path: Path) -> None:
    rows = [row("exec", at(1), pid=7, start=born(0), comm="x", argv=["x", "long"], argv_truncated=True)]
    assert query(tmp_path, "SELECT command FROM report.processes", rows) == [("x long ...",)]


def test_a_process_of_which_only_cpu_time_is_known(tmp_path: Path) -> None:
    rows = [row("cpu", at(2), pid=7, start=born(1), oncpu_ns=4, voluntary_switches=1)]
    sql = "SELECT pid, comm, command, epoch_ns(started), ended, cpu_ns FROM processes"
    assert query(tmp_path, sql, rows) == [(7, None, None, at(1), None, 4)]


def test_exit_by_code_and_by_signal(tmp_path: Path) -> None:
    rows = [
        row("exit", at(1), pid=7, start=born(0), comm="a", exit_code=3, lifetime_ns=10, core_dumped=False),
        row("exit", at(2), pid=8, start=born(0), comm="b", signal=11, lifetime_ns=20, core_dumped=True),
        calls(at(1), 7, born(0), "read", 40, 2),
        row("cpu", at(3), pid=7, start=born(0), oncpu_ns=6, voluntary_switches=1),
    ]
    sql = "SELECT pid, comm, exit_code, signal, lifetime_ns, core_dumped, cpu_ns, syscalls FROM exits ORDER BY ts"
    # Totals are the process's own even if the snapshot with them is outside the window.
    assert query(tmp_path, sql, rows, {"until": "+1.5"}) == [(7, "a", 3, None, 10, False, 6, 2)]
    assert query(tmp_path, sql, rows)[1] == (8, "b", None, 11, 20, True, 0, 0)


@pytest.mark.parametrize(
    ("since", "until", "pids"),
    [
        (None, None, {6, 7, 8, 9}),
        ("+4", None, {6, 8, 9}),
        (None, "+4", {6, 7, 8}),
        ("+4", "+5", {6, 8}),
        ("+2", "+3", {6, 7, 8}),
        ("+20", "+21", {6}),
    ],
)
def test_a_window_shows_the_processes_that_were_there(tmp_path: Path, since: str, until: str, pids: set[int]) -> None:
    rows = [
        row("process", at(0), pid=6, start=born(-5), edge="start"),
        *life(7, 1, 3),
        *life(8, 2, 6),
        *life(9, 5, 7),
    ]
    found = query(tmp_path, "SELECT pid FROM processes", rows, {"since": since, "until": until})
    assert {pid for (pid,) in found} == pids


def test_filter_by_pid_and_name(tmp_path: Path) -> None:
    rows = [*life(7, 1, 3, name="true"), *life(8, 2, 6, name="false"), *life(9, 2, 6, name="sleep")]
    rows += [calls(at(3), pid, born(s), "read", 40, pid) for pid, s in ((7, 1), (8, 2), (9, 2))]
    sql = "SELECT DISTINCT pid FROM execs UNION ALL SELECT calls FROM syscall_stats ORDER BY 1"
    assert query(tmp_path, sql, rows, {"pids": [7]}) == [(7,), (7,)]
    assert query(tmp_path, sql, rows, {"comms": ["false"]}) == [(8,), (8,)]
    assert query(tmp_path, sql, rows, {"pids": [7], "comms": ["false"]}) == [(7,), (7,), (8,), (8,)]
    assert query(tmp_path, "SELECT pid FROM processes", rows, {"comms": ["sleep"]}) == [(9,)]
    for part in ({"pids": [77]}, {"comms": ["nobody"]}, {"pids": [7, 77]}, {"comms": ["true", "' OR 1=1 --"]}):
        with pytest.raises(BadRequest, match="no process"):
            query(tmp_path, sql, rows, part)


def tree(tmp_path: Path, rows: list[Row], part: dict[str, Any] | None = None) -> list[tuple[str, int]]:
    return query(tmp_path, "SELECT tree, pid FROM report.process_tree", rows, part)


def test_tree(tmp_path: Path) -> None:
    rows = [
        row("process", at(0), pid=1, start=born(-900), ppid=0, comm="init", edge="start"),
        row("process", at(0), pid=50, start=born(-500), ppid=1, comm="shell", edge="start"),
        *life(60, 1, 2, (50, -500), "make"),
        *life(61, 1.1, 1.5, (60, 1), "cc"),
        *life(62, 1.2, 1.6, (60, 1), "ld"),
        *life(63, 3, 4, (50, -500), "ls"),
    ]
    whole = [("init", 1), ("  shell", 50), ("    make", 60), ("      cc", 61), ("      ld", 62), ("    ls", 63)]
    assert tree(tmp_path, rows) == whole
    assert tree(tmp_path, rows, {"comms": ["make", "ld"]}) == [("make", 60), ("  ld", 62)]


def test_tree_where_the_parents_pid_was_used_again(tmp_path: Path) -> None:
    # 50 is two processes. /proc shows only the parent's pid, so the child belongs to the one older than itself.
    rows = [
        *life(50, 1, 2, name="first"),
        row("process", at(10), pid=70, start=born(3), ppid=50, comm="child", edge="end"),
        *life(50, 5, 6, name="second"),
    ]
    assert tree(tmp_path, rows) == [("first", 50), ("  child", 70), ("second", 50)]


def test_tree_of_a_damaged_trace_ends(tmp_path: Path) -> None:
    circle = [
        row("fork", at(1), pid=a, start=born(1), ppid=b, parent_start=born(1), comm=str(a))
        for a, b in ((5, 6), (6, 7), (7, 5), (8, 8))
    ]
    assert len(tree(tmp_path, circle)) == 4
    chain = [
        row("fork", at(1), pid=n + 1, start=born(1), ppid=n, parent_start=born(1), comm="x") for n in range(1, 300)
    ]
    deep = tree(tmp_path, chain)
    assert len(deep) == 299
    assert max(len(name) for name, _ in deep) == 2 * 99 + 1


def test_impossible_starts(tmp_path: Path) -> None:
    rows = [row("exec", at(1), pid=7, start=2**64 - 1, comm="x"), row("exec", at(1), pid=8, start=None, comm="y")]
    assert query(tmp_path, "SELECT comm, started FROM processes ORDER BY pid", rows) == [("x", None), ("y", None)]


def test_an_empty_trace_answers_every_report(tmp_path: Path) -> None:
    from sysmon.analyze.trace.reports import reports

    for rows in ([], [row("clock", at(0), event="start")]):
        with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
            for report in reports():
                assert trace.report(report.name).fetchall() == []
