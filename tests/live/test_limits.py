"""Control group limits for a recording: the messages, and that the stated minimum suffices."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sysmon.recorder.own import limits
from tests.live.recording import SYSMON

pytestmark = pytest.mark.live

MIB = 1 << 20

FILES = {"memory": ("memory.max", "memory.limit_in_bytes"), "pids": ("pids.max", "pids.max")}
"""A controller's files, in version 2 and 1."""


def hierarchy(controller: str) -> Path:
    """Where groups limited by this controller can be created."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    for _source, root, kind, options, *_ in mounts:
        if kind == "cgroup" and controller in options.split(","):
            return Path(root)
        if kind == "cgroup2" and controller in Path(root, "cgroup.subtree_control").read_text().split():
            return Path(root)
    pytest.skip(f"no control group here can bound {controller}")


@pytest.fixture
def bounded() -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs sysmon in a new control group with a limit."""
    made = []

    def run(controller: str, limit: int, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        folder = hierarchy(controller) / f"sysmon-test-{os.getpid()}-{len(made)}"
        folder.mkdir()
        made.append(folder)
        file = next(folder / name for name in FILES[controller] if (folder / name).exists())
        file.write_text(str(limit))
        enter = f'echo $$ > {folder}/cgroup.procs && exec "$@"'
        shell = ["/bin/sh", "-c", enter, "sh", str(SYSMON), *arguments]
        return subprocess.run(shell, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)

    yield run
    for folder in made:
        for _ in range(50):  # until the kernel has released ended processes
            with contextlib.suppress(OSError):
                folder.rmdir()
                break
            time.sleep(0.1)


Bounded = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("mebibytes", [48, 64, 128])
def test_too_little_memory_is_one_line(tmp_path: Path, bounded: Bounded, mebibytes: int) -> None:
    """Neither a silent kill nor anything left behind."""
    done = bounded("memory", mebibytes * MIB, "record", "--duration", "1", cwd=tmp_path)
    assert done.returncode == 1, done
    assert done.stderr.count("\n") == 1
    assert f"of {mebibytes} MiB that the control group may use (/" in done.stderr and "MemoryMax=" in done.stderr
    assert os.listdir(tmp_path) == []


def test_doctor_says_it_too(tmp_path: Path, bounded: Bounded) -> None:
    done = bounded("memory", 64 * MIB, "doctor", cwd=tmp_path)
    assert done.returncode == 1
    assert "no   memory: a recording needs about" in done.stdout


def test_the_stated_minimum_is_enough(tmp_path: Path, bounded: Bounded) -> None:
    """Includes compiling: these options are new. 32 MiB are for what the interpreter's start has used already."""
    never_before = ["--max-rate", str(100_000 + time.time_ns() % 100_000_000)]
    done = bounded("memory", limits.MEMORY_BYTES + 32 * MIB, "record", "--duration", "1", *never_before, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["record --duration 1", "doctor", "report t.parquet"])
def test_too_few_processes_are_one_line(tmp_path: Path, bounded: Bounded, command: str) -> None:
    done = bounded("pids", 2, *command.split(), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "pids.max" in done.stderr
    assert os.listdir(tmp_path) == []


def test_the_checked_number_of_threads_is_enough(tmp_path: Path, bounded: Bounded) -> None:
    done = bounded("pids", limits.THREADS + 1, "record", "--", "true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_descriptors_are_enough_for_all_kinds(tmp_path: Path) -> None:
    number = limits.FILES[True]
    options = ["--syscalls", "--with", "kernel_memory", "--max-rate", "100000", "--rotate", "1s", "--duration", "2"]
    done = subprocess.run(
        [SYSMON, "record", *options], cwd=tmp_path, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (number, number)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_address_space_is_enough(tmp_path: Path) -> None:
    space = limits.SPACE_BYTES[True]
    done = subprocess.run(
        [SYSMON, "record", "--", "true"], cwd=tmp_path, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (space, space)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
