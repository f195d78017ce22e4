"""How much work queries make of a trace in which all is of one process: a number of rows, not a time."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sysmon
from sysmon.analyze.trace.reports import reports
from sysmon.analyze.trace.rules import rules, shared_by
from sysmon.analyze.trace.sqlfile import View
from sysmon.analyze.trace.trace import Trace
from sysmon.analyze.trace.views import derived
from sysmon.bpf.kinds import KINDS
from sysmon.errors import BrokenTrace
from tests.traces import Row, at, born, calls, failures, row, stack_rows, write

pytestmark = pytest.mark.slow

COUNT = 500

MOST = 2
"""Rows that a step may yield or compare for each row of the trace. A join of all with all has `COUNT` for some."""

NESTED_LOOPS = ("BLOCKWISE_NL_JOIN", "NESTED_LOOP_JOIN")
"""Joins that compare each row of one side with each of the other, however few they yield."""

SERVER = {"pid": 7, "start": born(-100)}
CLIENT = {"pid": 8, "start": born(-100)}


def one_process() -> list[Row]:
    """A server that keeps connections open whose clients are gone, starts processes, and has a row of each kind."""
    out = [row("process", at(0), **who, ppid=1, comm="x", edge="both") for who in (SERVER, CLIENT)]
    inner = [{"function": f"f{i}", "module": "/bin/x"} for i in range(2 * COUNT)]
    out += stack_rows(at(0), [(None, {"function": "main", "module": "/bin/x"}), *((1, function) for function in inner)])
    for i in range(COUNT):
        early, late = at(0.5 + i / 1000), at(4 + i / 100)
        to, back = {"local_port": 40_000 + i, "remote_port": 80}, {"local_port": 80, "remote_port": 40_000 + i}
        child = {"pid": 1000 + i, "start": born(1 + i / 100)}
        tid = {"tid": 10 + i}
        both = {"user_stack": 2 + i, "kernel_stack": 2 + COUNT + i}
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
            row("samples", late, **SERVER, **tid, **both, samples=1),
            row("off_cpu", late, **SERVER, **tid, **both, waited_for="lock", waits=1, waited_ns=5, max_waited_ns=5),
            row("waits", late, **SERVER, **tid, waited_for="lock", syscall="futex", object=i, woken_by="thread",
                waker_pid=8, waker_start=born(-100), waker_tid=8 + i, waits=1, waited_ns=5, max_waited_ns=5),
            row("connection", at(10), **SERVER, **back, connection_id=1 + i, direction="in", tcp_state="CLOSE_WAIT",
                tcp_state_ns=2 * 10**9, remote_address=f"10.0.0.{i % 250}", retransmits=i, sent_segments=i),
            row("retransmit", late, **SERVER, **to, remote_address="10.0.0.1", segment="data", segments=1),
            row("dns", late, **SERVER, domain=f"{i}.example", remote_address="10.0.0.1", queries=1, answers=0),
            row("objects", late, **SERVER, way="write", object_type="file", object=i, object_device=1, calls=1),
            row("objects", late, **SERVER, way="read", object_type="pipe", object=COUNT + i, calls=1, bytes=5),
            row("objects", late, **CLIENT, way="write", object_type="pipe", object=COUNT + i, calls=1, bytes=5),
            row("objects", late, **SERVER, way="read", object_type="socket", object=2 * COUNT + i, **back, calls=1,
                remote_address="127.0.0.1", family="AF_INET"),
            row("objects", late, **CLIENT, way="write", object_type="socket", object=3 * COUNT + i, **to, calls=1,
                remote_address="127.0.0.1", family="AF_INET"),
            row("objects", late, **CLIENT, way="write", object_type="socket", object=4 * COUNT + i, family="AF_UNIX"),
            row("object_name", late, object_type="file", object=i, object_device=1, object_path=f"/d{i}/f"),
            row("object_name", late, object_type="socket", object=4 * COUNT + i, family="AF_UNIX",
                peer_inode=5 * COUNT + i, peer_pid=7),
            row("polled", late, **SERVER, **tid, syscall="poll", polled_fd=i, polled_events=1, object_type="socket",
                object=4 * COUNT + i),
            row("block_io", late, **SERVER, disk_device=i, operation="write", submitted_by="process", io_group=1 + i,
                stage="service", duration_bucket=200, size_bucket=12, requests=1, request_bytes=5, service_ns=10**9),
            row("block_inflight", late, **SERVER, disk_device=i, operation="write", requests_in_flight=1),
            row("disk", late, disk_device=i, disk=f"vd{i}", disk_writes=1, disk_busy_ns=1, disk_in_flight=1),
            row("cgroup_limit", late, hierarchy="unified", limited_group=1 + i, quota_ns=5, period_ns=5,
                quota_periods=5, throttled_periods=5, throttled_ns=10**9),
            row("oom_kill", late, **child, anon_bytes=1 << 20, trigger_pid=7, trigger_start=born(-100)),
            calls(late, 7, born(-100), "read", i % 100, 10),
            failures(late, 7, born(-100), "read", "EIO", 5, 1),
            row("syscall", late, **SERVER, **tid, syscall="read", result=1, latency_ns=100),
            row("syscall_inflight", at(10), **SERVER, **tid, comm="x", syscall="read", edge="end", elapsed_ns=100),
            row("file_op", late, **SERVER, syscall="unlink", result=0, origin="absolute", path=f"/f{i}"),
            row("rename", late, **SERVER, **tid, old_comm="x", comm="y"),
            row("kernel_memory", late, **SERVER, allocations=1, allocated_bytes=i),
            row("cgroup", late, cgroup_id=1 + i, cgroup_path=f"/{i}"),
            row("clock", late, event="snapshot", boottime_ns=late),
            row("overhead", late, part="on_exec", window_ns=1000, runs=1, run_ns=10),
            row("step", late, stepped="open", reason="rate"),
            row("loss", late, cause="ring full", place="open", lost=1),
            row("mark", late, pid=7, uid=0, text=f"deploy {i}"),
            row("note", late, pid=7, text=f"note {i}"),
        ]  # fmt: skip
    return out


def work(plan: dict[str, Any]) -> Iterator[int]:
    """Rows that each step of a plan that was run yielded, or compared."""
    steps = (*plan.get("operator", ()), *plan.get("children", ()))
    yield plan.get("intermediate_rows", 0)
    if plan.get("type") in NESTED_LOOPS:
        yield math.prod(step["intermediate_rows"] for step in steps)
    for step in steps:
        yield from work(step)


def most_rows(trace: Trace, view: View) -> int:
    """The rows of the step that yields or compares most, after all that it needs was made."""
    trace.own(f"FROM {view.full_name}")
    explained = trace._opened.connection.execute(f"EXPLAIN (ANALYZE, FORMAT json) {view.query}")
    ((_, plan),) = explained.fetchall()
    return max(work(json.loads(plan)))


def test_no_step_of_a_query_yields_or_compares_the_square_of_the_rows(tmp_path: Path) -> None:
    rows = one_process()
    assert {row["kind"] for row in rows} == {kind.name for kind in KINDS}
    with sysmon.open(write(tmp_path / "t.parquet", rows)) as trace:
        assert trace.own("SELECT summary FROM finding.close_wait").fetchall() == [
            (f"keeps connections open that the other side has closed (CLOSE_WAIT): {COUNT} on port 80",)
        ]
        most = {view.full_name: most_rows(trace, view) for view in (*rules(), *reports(), *shared_by(), *derived())}
    assert most["finding.close_wait"] > COUNT, "the plan has the rows of its steps"
    assert not {name: n for name, n in most.items() if n > MOST * len(rows)}


def test_stacks_that_are_too_large_are_refused(tmp_path: Path) -> None:
    """Each calls the next, and each was sampled: without a limit, the functions of all of them are 20 million."""
    tree = [(number or None, {"function": "f"}) for number in range(20_000)]
    sampled = [row("samples", at(1), **SERVER, tid=7, user_stack=1 + i, samples=1) for i in range(len(tree))]
    path = write(tmp_path / "t.parquet", [*stack_rows(at(1), tree), *sampled])
    with sysmon.open(path) as trace, pytest.raises(BrokenTrace) as refused:
        trace.report("hot_functions").fetchall()
    assert str(refused.value) == (
        f"{path}: the stacks have more than 16,000,000 functions in all; record for a shorter time, or with a lower "
        "--sample-rate"
    )
