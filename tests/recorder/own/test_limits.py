"""Messages about limits, with files in place of control groups."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from sysmon.recorder.own import limits

SYSMON = Path(sys.executable).with_name("sysmon")

MIB = 1 << 20


def group(folder: Path, first: bool, limit: str, used: int, cache: int) -> None:
    """The files of a control group, of version 1 or 2."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if first else ("memory.max", "memory.current")
    prefix = "total_" if first else ""
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{prefix}inactive_file {cache}\n{prefix}active_file 0\n")


@pytest.fixture(params=[False, True], ids=["version 2", "version 1"])
def groups(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, bool, tuple[Path, Path]]:
    """Where the hierarchy is, its version, and what the kernel reports about it; we are in /outer/inner."""
    first, root = request.param, tmp_path / "mounted"
    said = tmp_path / "cgroup"
    said.write_text("5:cpu,memory:/outer/inner\n0::/other\n" if first else "5:cpu:/\n0::/outer/inner\n")
    kind, options = ("cgroup", "rw,cpu,memory") if first else ("cgroup2", "rw,nsdelegate")
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"none /proc proc rw 0 0\ncgroup /nowhere cgroup rw,cpuset 0 0\nnone {root} {kind} {options} 0 0\n"
    )
    root.mkdir()
    return root, first, (said, mounts)


def test_the_limit_that_leaves_the_least_counts(groups: tuple[Path, bool, tuple[Path, Path]]) -> None:
    """The page cache can be reclaimed: the outer group leaves 300 - 250 + 30 MiB, the inner 200 - 10."""
    root, first, said = groups
    group(root / "outer", first, str(300 * MIB), 250 * MIB, 30 * MIB)
    group(root / "outer" / "inner", first, str(200 * MIB), 10 * MIB, 0)
    found = limits.of_memory(*said)
    assert found and (found.limit, found.left) == (300 * MIB, 80 * MIB)
    assert found.file.parent == root / "outer"
    text = limits.for_recording(found)
    assert "300 MiB" in text and "80 MiB are left" in text and str(found.file) in text and "MemoryMax=" in text


def test_no_limit(groups: tuple[Path, bool, tuple[Path, Path]]) -> None:
    """Version 1 has a number for it."""
    root, first, said = groups
    group(root / "outer" / "inner", first, "9223372036854771712" if first else "max", 10 * MIB, 0)
    assert limits.of_memory(*said) is None
    assert limits.for_recording(None) == ""


def test_in_a_container_the_mounted_group_is_ours(groups: tuple[Path, bool, tuple[Path, Path]]) -> None:
    """Its path there is the host's, and not below the mount."""
    root, first, said = groups
    group(root, first, str(100 * MIB), 0, 0)
    found = limits.of_memory(*said)
    assert found and found.file.parent == root


def test_a_buffer_needs_memory(tmp_path: Path) -> None:
    memory = limits.Memory(tmp_path, limits.MEMORY_BYTES, limits.MEMORY_BYTES)
    assert limits.for_recording(memory) == ""
    assert f"{limits.MEMORY_BYTES // MIB + 64} MiB" in limits.for_recording(memory, 64 * MIB)


def test_the_likely_cause_of_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(limits, "of_memory", lambda: limits.Memory(tmp_path, 64 * MIB, MIB))
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (65536, 65536))
    assert "64 MiB" in limits.behind(errno.ENOMEM)
    assert "ulimit -l unlimited" in limits.behind(errno.EPERM)
    assert "doctor" in limits.behind(errno.E2BIG)


LIMITS = {
    "files": (resource.RLIMIT_NOFILE, 20, "`ulimit -n"),
    "space": (resource.RLIMIT_AS, 500 * MIB, "`ulimit -v"),
    "size": (resource.RLIMIT_FSIZE, 16 << 10, "`ulimit -f"),
}


def under(which: int, value: int, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """sysmon under a limit. In a shell of its own, as this process could not raise the limit again."""
    return subprocess.run(
        [str(SYSMON), *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False,
        preexec_fn=lambda: resource.setrlimit(which, (value, value)),
    )  # fmt: skip


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("command", ["record", "doctor", "report t", "report t --html t.html", "chart t cpu -o t.png"])
def test_a_limit_is_one_line_that_helps(tmp_path: Path, limit: str, command: str) -> None:
    which, value, remedy = LIMITS[limit]
    if limit == "size" and command.split()[0] not in limits.RECORDS:
        remedy = "t: "  # a report writes nothing large: it only says that there is no such trace
    done = under(which, value, *command.split(), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith("sysmon: ") and remedy in done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [16, 20, 40, 63])
def test_too_few_descriptors_fail_early(tmp_path: Path, number: int) -> None:
    done = under(resource.RLIMIT_NOFILE, number, "report", "t", cwd=tmp_path)
    assert f"at most {number} files may be open, but 64 are needed" in done.stderr


@pytest.mark.slow
def test_enough_descriptors_suffice(tmp_path: Path) -> None:
    sample = Path(__file__).parents[3] / "sample_traces" / "build.parquet"
    for which, value in ((resource.RLIMIT_NOFILE, 64), (resource.RLIMIT_AS, 3 << 30)):
        done = under(which, value, "report", str(sample), "--html", f"{which}.html", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
