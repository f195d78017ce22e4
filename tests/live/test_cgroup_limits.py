"""CPU quotas of control groups, against the kernel's own counts."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.live.recording import python, recording, wait_for

pytestmark = pytest.mark.live

SPIN = "input()\nimport time\nend = time.monotonic() + 1.5\nwhile time.monotonic() < end: pass"


def quota_group() -> tuple[Path, str]:
    """A control group that may use a fifth of a CPU, and its hierarchy."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    for words in mounts:
        group = Path(words[1]) / f"sysmon-quota-{os.getpid()}"
        if words[2] == "cgroup" and "cpu" in words[3].split(","):
            group.mkdir()
            (group / "cpu.cfs_quota_us").write_text("20000")
            return group, "cpu"
        if words[2] == "cgroup2" and "cpu" in (Path(words[1]) / "cgroup.subtree_control").read_text().split():
            group.mkdir()
            (group / "cpu.max").write_text("20000 100000")
            return group, "unified"
    pytest.skip("no hierarchy has the controller cpu")


def stat(group: Path) -> dict[str, int]:
    return {name: int(n) for name, n in (line.split() for line in (group / "cpu.stat").read_text().splitlines())}


def figures(before: dict[str, int], after: dict[str, int]) -> tuple[int, int, float]:
    """Periods, throttled periods and throttled time [s] between two looks."""
    came = {name: after[name] - before[name] for name in after}
    throttled_ns = came["throttled_time"] if "throttled_time" in came else came["throttled_usec"] * 1000
    return came["nr_periods"], came["nr_throttled"], throttled_ns / 1e9


def test_throttled_periods_are_those_of_the_kernel(tmp_path: Path, live_kernel: None) -> None:
    group, hierarchy = quota_group()
    try:
        with recording(tmp_path / "t.parquet", "-a", "--interval", "0.5") as r:
            before = stat(group)
            process = python(SPIN, stdin=subprocess.PIPE)
            (group / "cgroup.procs").write_text(str(process.pid))
            process.communicate("\n")
            wait_for(lambda: not (group / "cgroup.procs").read_text())
            after = stat(group)
        final = stat(group)
    finally:
        group.rmdir()
    (row,) = r.rows(
        "SELECT quota_cpus, periods, throttled, throttled_s, hierarchy FROM report.cpu_quota "
        f"WHERE cgroup = '/{group.name}'"
    )
    assert (row[0], row[4]) == (0.2, hierarchy) and row[2] > 5
    # A period may end between our last look and that of the recorder.
    lowest, highest = (figures(before, end) for end in (after, final))
    assert all(low <= is_ <= high for low, is_, high in zip(lowest, row[1:4], highest, strict=True)), (
        lowest,
        row,
        highest,
    )
