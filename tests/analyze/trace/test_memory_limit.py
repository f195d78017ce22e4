"""The memory that a process may use, from fake /proc files and control groups."""

import os
from pathlib import Path

import pytest

from sysmon.analyze.trace import memory_limit

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
NO_LIMIT = "9223372036854771712\n"  # PAGE_COUNTER_MAX pages, as version 1 shows it


def proc(folder: Path, groups: str, mounts: str) -> Path:
    (folder / "proc").mkdir()
    (folder / "proc" / "cgroup").write_text(groups)
    (folder / "proc" / "mountinfo").write_text(mounts)
    return folder / "proc"


def limited(top: Path, file: str, **limits: str) -> None:
    """Nested groups with these limits, outermost first."""
    for name, limit in limits.items():
        top /= name
        top.mkdir(parents=True)
        (top / file).write_text(limit)


def test_the_smallest_of_all_groups_above(tmp_path: Path) -> None:
    top = tmp_path / "cg roup"
    limited(top, "memory.max", a="max\n", b="100000000\n", c="200000000\n")
    shown = str(top).replace(" ", r"\040")
    found = proc(tmp_path, "0::/a/b/c\n", f"41 31 0:38 / {shown} rw - cgroup2 cgroup2 rw\n")
    assert memory_limit.available_bytes(found) == 100_000_000


def test_version_1_beside_version_2(tmp_path: Path) -> None:
    limited(tmp_path / "memory", "memory.limit_in_bytes", a=NO_LIMIT, b="300000000\n")
    (tmp_path / "cpu" / "a" / "b").mkdir(parents=True)
    (tmp_path / "cpu" / "a" / "b" / "memory.limit_in_bytes").write_text("1\n")
    (tmp_path / "unified").mkdir()
    mounts = (
        f"32 31 0:29 / {tmp_path}/cpu rw - cgroup cgroup rw,cpu\n"
        f"35 31 0:32 / {tmp_path}/memory rw shared:9 - cgroup cgroup rw,memory\n"
        f"41 31 0:38 / {tmp_path}/unified rw - cgroup2 cgroup2 rw\n"
    )
    found = proc(tmp_path, "4:memory:/a/b\n1:cpu:/a/b\n0::/\n", mounts)
    assert memory_limit.available_bytes(found) == 300_000_000


@pytest.mark.parametrize(("path", "root"), [("/docker/1", "/docker/1"), ("/docker/1/x", "/docker/1"), ("/", "/../..")])
def test_in_a_container_the_mount_is_its_own_group(tmp_path: Path, path: str, root: str) -> None:
    (tmp_path / "cg" / "x").mkdir(parents=True)
    (tmp_path / "cg" / "memory.max").write_text("50000000")
    (tmp_path / "cg" / "x" / "memory.max").write_text("max")
    found = proc(tmp_path, f"0::{path}\n", f"41 31 0:38 {root} {tmp_path}/cg rw - cgroup2 cgroup2 rw\n")
    assert memory_limit.available_bytes(found) == 50_000_000


def test_without_a_limit_it_is_the_machine(tmp_path: Path) -> None:
    limited(tmp_path / "cg", "memory.limit_in_bytes", a=NO_LIMIT)
    found = proc(tmp_path, "4:memory:/a\n", f"35 31 0:32 / {tmp_path}/cg rw - cgroup cgroup rw,memory\n")
    assert memory_limit.available_bytes(found) == MACHINE
    assert memory_limit.available_bytes(tmp_path / "absent") == MACHINE
    assert 0 < memory_limit.available_bytes() <= MACHINE
