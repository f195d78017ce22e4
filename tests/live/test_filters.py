"""Filters: what was asked for is recorded whole, and nothing else is."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.recording import SYSMON, Trace, python, recording

pytestmark = pytest.mark.live

CALLS = "import os, time\nwhile True:\n os.getppid(); time.sleep(.001)"
PARENT = "import subprocess, time\nwhile True:\n subprocess.run(['/bin/true']); time.sleep(.01)"
NAMED = "import ctypes; ctypes.CDLL(None).prctl(15, b'quarry');"


@contextlib.contextmanager
def running(code: str, **popen: object) -> Iterator[int]:
    process = python(code, **popen)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def seen(trace: Trace) -> set[int]:
    """The pids of all that was recorded."""
    kinds = ("syscall_stats", "cpu", "forks", "execs", "exits", "renames", "syscalls_in_flight")
    return {pid for (pid,) in trace.rows(" UNION ".join(f"SELECT pid FROM {kind}" for kind in kinds))}


def test_by_name(tmp_path: Path) -> None:
    with running(NAMED + CALLS) as pid, running(CALLS):
        time.sleep(0.3)
        with recording(tmp_path / "t.parquet", "--comm", "quarry") as r:
            time.sleep(0.5)
    assert seen(r) == {pid}
    assert r.one("SELECT sum(calls) FROM syscall_stats WHERE syscall = 'getppid'") > 5
    assert r.rows("SELECT pid, comm FROM processes") == [(pid, "quarry")]


def test_by_a_name_that_comes_meanwhile(tmp_path: Path) -> None:
    with recording(tmp_path / "t.parquet", "--comm", "true") as r:
        done = [subprocess.Popen(["/bin/true"]) for _ in range(11)]
        for process in done:
            process.wait()
    assert seen(r) == {p.pid for p in done}
    assert r.one("SELECT count(*) FROM exits") == 11
    assert r.one("SELECT count(*) FROM execs") == 11


def test_by_user(tmp_path: Path) -> None:
    as_nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    shell = ["/bin/sh", "-c", "while :; do /bin/true; done"]
    process = subprocess.Popen(shell, **as_nobody)  # type: ignore[call-overload]
    try:
        with running(CALLS), recording(tmp_path / "t.parquet", "--uid", "65534") as r:
            time.sleep(0.5)
    finally:
        process.kill()
        process.wait()
    assert {uid for (uid,) in r.rows("SELECT DISTINCT uid FROM execs")} == {65534}
    assert r.one("SELECT count(*) FROM execs") > 5
    assert {ppid for (ppid,) in r.rows("SELECT DISTINCT ppid FROM forks")} == {process.pid}


def test_by_pid_with_its_children(tmp_path: Path) -> None:
    with running(PARENT) as pid, running(PARENT) as other:
        with recording(tmp_path / "a.parquet", "--pid", str(pid), "--follow") as with_children:
            time.sleep(0.5)
        with recording(tmp_path / "b.parquet", "--pid", str(pid)) as alone:
            time.sleep(0.5)
    assert seen(alone) == {pid}
    assert other not in seen(with_children)
    assert with_children.one("SELECT count(*) FROM execs") > 5
    assert {p for (p,) in with_children.rows("SELECT DISTINCT ppid FROM execs")} == {pid}


def test_by_cgroup_and_what_is_below_it(tmp_path: Path) -> None:
    root = next(
        p for p in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")) if (p / "cgroup.controllers").exists()
    )
    outer = root / f"sysmon-test-{os.getpid()}"
    inner = outer / "inner"
    inner.mkdir(parents=True)
    try:
        with running(CALLS) as inside, running(CALLS):
            (inner / "cgroup.procs").write_text(str(inside))
            with recording(tmp_path / "t.parquet", "--cgroup", outer.name) as r:
                time.sleep(0.5)
    finally:
        inner.rmdir()
        outer.rmdir()
    assert seen(r) == {inside}


def test_that_nothing_matched_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [SYSMON, "record", "--duration", "0.3", "--comm", "no such name", "-o", tmp_path / "t.parquet"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "no process that was asked for did anything" in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--uid", "no-such-user"], "no user is called 'no-such-user'; "),
        (["--cgroup", "no/such"], "no cgroup of version 2 is at no/such; "),
        (["--follow"], "--follow says whose descendants"),
        (["--pid", "1", "--comm", "x"], "exclude each other"),
        (["--comm", "x", "--", "true"], "a command is followed by itself"),
    ],
)
def test_bad_requests(tmp_path: Path, args: list[str], words: str) -> None:
    done = subprocess.run(
        [SYSMON, "record", "-o", tmp_path / "t.parquet", *args], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert words in done.stderr and done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == []
