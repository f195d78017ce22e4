"""How much work queries make of a trace in which all is of one process: a number of rows, not a time."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sysmon
from sysmon.analyze.trace.reports import reports
from sysmon.analyze.trace.rules import rules
from sysmon.analyze.trace.sqlfile import View
from sysmon.analyze.trace.trace import Trace
from sysmon.errors import BrokenTrace
from tests.traces import Row, at, born, calls, row, stack_rows, write

pytestmark = pytest.mark.slow

COUNT = 500

MOST = 2
"""Rows that a step may yield for each row of the trace. A join of all with all yields `COUNT` for some."""

SERVER = {"pid": 7, "start": born(-100)}
CLIENT = {"pid": 8, "start": born(-100)}


def one_process() -> list[Row]:
    """A server that keeps connections open whose clients are gone, starts processes, and has a row of each kind."""
    out = [row("process", at(0), **who, ppid=1, comm="x", edge="both") for who in (SERVER, CLIENT)]
    for i in range(COUNT):
        early, late = at(0.5 + i / 1000), at(4 + i / 100)
        to, back = {"local_port": 40_000 + i, "remote_port": 80}, {"local_port": 80, "remote_port": 40_000 + i}
        child = {"pid": 1000 + i, "start": born(1 + i / 100)}
        tid = {"tid": 10 + i}
        out += [
            row("socket", early, **CLIENT, syscall="connect", fd=3 + i, **to),
            row("socket", early + 1, **SERVER, syscall="accept4", result=3 + i, **back),
            row("socket", at(1 + i / 1000), **CLIENT, syscall="socket", result=3 + i),
            row("open", late, **SERVER, syscall="openat", result=3 + COUNT + i, path=f"/f{i}", device=1, inode=i),
            row("open", late + 1, **SERVER, syscall="openat", result=-2, error="ENOENT", path=f"/g{i}"),
            row("fork", late, **child, ppid=7, parent_start=born(-100), comm="x"),
            row("exec", late, **child, ppid=7, comm="job", path="/job", argv=["job"]),
            row("exit", late + 1000, **child, ppid=7, comm="job", exit_code=1, lifetime_ns=1000),
            row("signal", late, **SERVER, signo=15, sender_pid=8, sender_start=born(-100)),
            row("memory", late, **SERVER, rss_anon_bytes=(1 + i) << 20, threads=i, descriptors=i),
            row("pss", late, **SERVER, pss_bytes=i),
            row("process_io", late, **SERVER, storage_read_bytes=i),
            row("cpu", late, **SERVER, **tid, oncpu_ns=100, wait_ns=1, waited_for="lock", waits=1, waited_ns=5),
            row("thread", at(10), **SERVER, **tid, waited_for="lock", off_cpu_ns=5),
            row("host", late, cpu=0, busy_ns=1000, idle_ns=10),
            row("machine", late, mem_total_bytes=1 << 30, mem_available_bytes=1 << 20, memory_some_ns=100),
            row("peer", late, **SERVER, family="inet", remote_address=f"10.0.0.{i % 250}", remote_port=53),
            calls(late, 7, born(-100), "read", i % 100, 10),
        ]
    return out


def yields(plan: dict[str, Any]) -> Iterator[int]:
    """Rows of each step of a plan that was run."""
    yield plan.get("intermediate_rows", 0)
    for step in (*plan.get("operator", ()), *plan.get("children", ())):
        yield from yields(step)


def most_rows(trace: Trace, view: View) -> int:
    """The rows of the step that yields most, after all that it needs was made."""
    trace.own(f"FROM {view.full_name}")
    explained = trace._database.connection.execute(f"EXPLAIN (ANALYZE, FORMAT json) {view.query}")
    ((_, plan),) = explained.fetchall()
    return max(yields(json.loads(plan)))


def test_no_step_of_a_rule_or_report_yields_the_square_of_the_rows(tmp_path: Path) -> None:
    rows = one_process()
    with sysmon.open(write(tmp_path / "t.parquet", rows)) as trace:
        assert trace.own("SELECT summary FROM finding.close_wait").fetchall() == [
            (f"keeps connections open that clients have closed (CLOSE_WAIT): {COUNT} on port 80",)
        ]
        most = {view.full_name: most_rows(trace, view) for view in (*rules(), *reports())}
    assert most["finding.close_wait"] > COUNT, "the plan has the rows of its steps"
    assert not {name: n for name, n in most.items() if n > MOST * len(rows)}


def test_stacks_that_are_too_large_are_refused(tmp_path: Path) -> None:
    """Each calls the next, and each was sampled: without a limit, the functions of all of them are 20 million."""
    tree = [(number or None, {"function": "f"}) for number in range(20_000)]
    sampled = [row("samples", at(1), **SERVER, tid=7, user_stack=1 + i, samples=1) for i in range(len(tree))]
    path = write(tmp_path / "t.parquet", [*stack_rows(at(1), tree), *sampled])
    with sysmon.open(path) as trace, pytest.raises(BrokenTrace, match="the stacks have more than 16,000,000 functions"):
        trace.report("hot_functions").fetchall()
