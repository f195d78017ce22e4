"""Processes killed for lack of memory."""

from pathlib import Path

import sysmon
from sysmon.analyze.trace.findings import findings
from tests import traces
from tests.traces import Row, at, born, row

MEBI = 1 << 20


def dead(pid: int, comm: str) -> list[Row]:
    me = {"pid": pid, "start": born(-5), "comm": comm}
    return [
        row("process", at(0), edge="start", cgroup_id=5, **me),
        row("exit", at(5), signal=9, **me),
    ]


def test_victims_and_who_needed_memory(tmp_path: Path) -> None:
    held = {"anon_bytes": 40 * MEBI, "file_bytes": 2 * MEBI, "shmem_bytes": 8 * MEBI, "cgroup_id": 5}
    kill = row("oom_kill", at(4), pid=7, start=born(-5), trigger_pid=8, trigger_start=born(-5), **held)
    old = row("oom_kill", at(6), pid=9)
    version_1 = row("oom_kill", at(7), pid=10, cgroup_id=5, memory_group="/of memory")
    groups = [row("cgroup", at(0), cgroup_id=5, cgroup_path="/jobs")]
    rows = [*groups, *dead(7, "victim"), *dead(8, "needy"), kill, old, version_1]
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        first, second, third = trace.report("oom_kills").df().astype(object).to_dict("records")
        assert (first["pid"], first["comm"], first["cgroup"]) == (7, "victim", "/jobs")
        assert (first["memory_mib"], first["anon_mib"], first["trigger"]) == (50, 40, "needy")
        assert second["pid"] == 9 and (third["pid"], third["cgroup"]) == (10, "/of memory")
        found = {f.pid: f for f in findings(trace)}
    assert found[7].summary == "victim (7) was killed by the kernel, as there was no memory left in the group /jobs"
    assert found[7].evidence.startswith("it had 50.0 MiB, of which 40.0 MiB anonymous; needy (8) needed memory")
    assert found[8].rule == "killed", "of the others the kernel's reason is not known"
