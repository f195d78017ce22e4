"""Control groups; each answer worked out by hand."""

from pathlib import Path

import pytest

import sysmon
from sysmon.errors import BadRequest
from tests import traces
from tests.traces import at, born, row

ID = "0123456789abcdef" * 4


def test_a_process_counts_for_the_group_it_was_last_in(tmp_path: Path) -> None:
    rows = [
        row("cgroup", at(0), cgroup_id=1, cgroup_path="/"),
        row("cgroup", at(1), cgroup_id=5, cgroup_path=f"/system.slice/docker-{ID}.scope"),
        row("fork", at(1), pid=7, start=born(1), cgroup_id=1, comm="a"),
        row("exit", at(3), pid=7, start=born(1), cgroup_id=5, comm="a"),
        row("fork", at(1), pid=8, start=born(1), cgroup_id=1, comm="b"),
        row("process", at(0), pid=9, start=born(-5), cgroup_id=77, edge="start"),
        row("cpu", at(2), pid=7, start=born(1), oncpu_ns=10**9, wait_ns=5 * 10**8),
        row("cpu", at(3), pid=7, start=born(1), oncpu_ns=10**9, wait_ns=0),
        row("cpu", at(3), pid=8, start=born(1), oncpu_ns=10**8, wait_ns=0),
    ]
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        found = trace.report("cgroups").fetchall()
    assert found == [
        (f"/system.slice/docker-{ID}.scope", 2.0, 0.5, 1, "docker", ID, 5),
        ("/", 0.1, 0.0, 1, None, None, 1),
        (None, None, None, 1, None, None, 77),
    ]


@pytest.mark.parametrize(
    ("path", "runtime"),
    [
        (f"/docker/{ID}", "docker"),
        (f"/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope", "containerd"),
        (f"/kubepods.slice/kubepods-pod1.slice/crio-{ID}.scope", "cri-o"),
        (f"/machine.slice/libpod-{ID}.scope", "podman"),
        (f"/kubepods/besteffort/pod1/{ID}", "kubernetes"),
    ],
)
def test_runtimes(tmp_path: Path, path: str, runtime: str) -> None:
    rows = [
        row("cgroup", at(0), cgroup_id=1, cgroup_path=path),
        row("fork", at(1), pid=7, start=born(1), cgroup_id=1, comm="a"),
    ]
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        assert trace.sql("SELECT runtime, container FROM report.cgroups").fetchall() == [(runtime, ID)]


def two_groups(tmp_path: Path) -> str:
    rows = [
        row("cgroup", at(0), cgroup_id=5, cgroup_path="/a"),
        row("cgroup", at(0), cgroup_id=6, cgroup_path="/a/b"),
        row("cgroup", at(0), cgroup_id=7, cgroup_path="/ab"),
        *(row("fork", at(1), pid=pid, start=born(1), cgroup_id=pid + 4, comm="x") for pid in (1, 2, 3)),
        row("fork", at(1), pid=4, start=born(1), comm="x"),
        *(traces.calls(at(2), pid, born(1), "read", 8, pid) for pid in (1, 2, 3, 4)),
        row("cpu", at(2), pid=2, start=born(1), oncpu_ns=10**9, wait_ns=0),
    ]  # fmt: skip
    return str(traces.write(tmp_path / "t.parquet", rows))


@pytest.mark.parametrize(("group", "pids"), [("/a", {1, 2}), ("a/", {1, 2}), ("/a/b", {2}), ("/", {1, 2, 3})])
def test_a_group_is_picked_with_those_below(tmp_path: Path, group: str, pids: set[int]) -> None:
    with sysmon.open(two_groups(tmp_path), cgroups=[group]) as trace:
        assert {pid for (pid,) in trace.sql("SELECT pid FROM processes").fetchall()} == pids
        assert trace.sql("SELECT sum(calls) FROM syscall_stats").fetchall() == [(sum(pids),)]


def test_each_group_separately(tmp_path: Path) -> None:
    query = "SELECT sum(calls) FROM syscall_stats"
    with sysmon.open(two_groups(tmp_path)) as trace:
        calls = [(group, part.sql(query).fetchall()) for group, part in trace.by_cgroup()]
    assert calls == [("/a/b", [(2,)]), ("/a", [(1,)]), ("/ab", [(3,)]), (None, [(4,)])]


def test_an_unknown_group(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"^no process of control group '/x' in this trace; "):
        sysmon.open(two_groups(tmp_path), cgroups=["/x"])
