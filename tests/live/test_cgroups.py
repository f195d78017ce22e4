"""Control groups, including removed ones."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysmon.recorder.sample import cgroups
from tests.live.recording import python, recording

pytestmark = pytest.mark.live

ID = f"{os.getpid():064x}"
"""A container id that nobody else uses."""


@contextlib.contextmanager
def group(name: str) -> Iterator[Path]:
    root = cgroups.mount_point()
    if root is None:
        pytest.skip("no unified hierarchy is mounted")
    folder = Path(root) / name
    folder.mkdir()
    try:
        yield folder
    finally:
        folder.rmdir()


@pytest.mark.parametrize("before", [True, False])
def test_a_removed_group_keeps_its_name(tmp_path: Path, before: bool) -> None:
    container = "docker-" + ID + ".scope"
    code = "import os, sys\nopen(sys.argv[1] + '/cgroup.procs', 'w').write(str(os.getpid()))\nsum(range(10**6))"
    with contextlib.ExitStack() as undo:
        folder = undo.enter_context(group(container)) if before else None
        with recording(tmp_path / "t.parquet") as r:
            folder = folder or undo.enter_context(group(container))
            inode = folder.stat().st_ino
            process = python(code, str(folder))
            assert process.wait() == 0
            undo.close()
    (row,) = r.rows(f"SELECT * FROM report.cgroups WHERE cgroup_id = {inode}")
    path, cpu_s, _wait_s, processes, runtime, found, _id = row
    assert (path, processes, runtime, found) == (f"/{container}", 1, "docker", ID)
    assert cpu_s > 0.005
    assert r.one(f"SELECT cgroup_id FROM exits WHERE pid = {process.pid}") == inode
