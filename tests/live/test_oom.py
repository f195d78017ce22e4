"""Processes killed for lack of memory, in a control group with little of it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.recording import recording

pytestmark = pytest.mark.live

MEBI = 1 << 20
LIMIT = 64 * MEBI

EATER = """
import os, sys
open(sys.argv[1], "w").write(str(os.getpid()))
print(os.getpid(), flush=True)
eaten = bytearray()
while True: eaten += bytes(1 << 20)
"""


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Path]:
    """The file that a process writes its pid to, to join a control group with 64 MiB."""
    for root, limit in (
        (Path("/sys/fs/cgroup"), "memory.max"),
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    ):
        folder = root / f"sysmon-oom-{os.getpid()}"
        if (root / "cgroup.procs").exists():
            folder.mkdir()
            if (folder / limit).exists():
                (folder / limit).write_text(str(LIMIT))
                inner = folder / "of it"
                inner.mkdir()
                yield inner / "cgroup.procs"
                inner.rmdir()
                folder.rmdir()
                return
            folder.rmdir()
    pytest.skip("there is no control group with a memory controller here")


def test_the_victim_is_named(tmp_path: Path, group: Path) -> None:
    with recording(tmp_path / "t.parquet") as trace:
        killed = subprocess.run([sys.executable, "-I", "-S", "-c", EATER, group], capture_output=True, text=True)
        assert killed.returncode == -9
    pid = int(killed.stdout)
    ((comm, memory_mib, anon_mib, trigger, command, cgroup),) = trace.rows(
        f"SELECT comm, memory_mib, anon_mib, trigger_pid, command, cgroup FROM report.oom_kills WHERE pid = {pid}"
    )
    if memory_mib is not None:  # Linux 6.16; what is said of version 1 came with 6.9
        assert cgroup == f"/{group.parent.parent.name}/{group.parent.name}"
    assert comm.startswith("python") and trigger == pid and "eaten" in command
    if memory_mib is not None:
        assert 0.8 * LIMIT < anon_mib * MEBI < 1.1 * LIMIT and anon_mib <= memory_mib
    assert trace.one(f"SELECT count(*) FROM oom_kills JOIN exits USING (process_key) WHERE exits.pid = {pid}") == 1
    (summary,) = [s for (s,) in trace.rows(f"SELECT summary FROM report.findings WHERE pid = {pid}")]
    assert "no memory left" in summary, summary
