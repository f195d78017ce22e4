"""Filters: what was chosen is recorded completely, and nothing else is."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.recording import SYSMON, Trace, python, recording

pytestmark = pytest.mark.live

CALLS = """
import os, sys
for line in sys.stdin:
    for _ in range(int(line)): os.getppid()
    print(flush=True)
"""

PARENT = """
import subprocess, sys
for line in sys.stdin:
    for _ in range(int(line)): subprocess.run(['/bin/true'])
    print(flush=True)
"""

NAME = f"quarry{os.getpid()}"
"""A name that nobody else has: others may use the machine, and run the same tests."""

NAMED = f"import ctypes; ctypes.CDLL(None).prctl(15, b'{NAME}')\n"


@contextlib.contextmanager
def running(code: str) -> Iterator[subprocess.Popen[str]]:
    """A process that does something this many times for each number that it reads."""
    process = python(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    do(process, 1)  # wait until it has started
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def do(process: subprocess.Popen[str], number: int) -> None:
    """Waits until it has done so this many times."""
    assert process.stdin and process.stdout
    process.stdin.write(f"{number}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "\n"


def seen(trace: Trace) -> set[int]:
    """The pids of everything recorded."""
    kinds = ("syscall_stats", "cpu", "forks", "execs", "exits", "renames", "syscalls_in_flight")
    return {pid for (pid,) in trace.rows(" UNION ".join(f"SELECT pid FROM {kind}" for kind in kinds))}


GETPPID = "SELECT sum(calls) FROM syscall_stats WHERE syscall = 'getppid'"


@pytest.mark.quick
def test_by_name(tmp_path: Path) -> None:
    with (
        running(NAMED + CALLS) as chosen,
        running(CALLS) as other,
        recording(tmp_path / "t.parquet", "--comm", NAME) as r,
    ):
        do(chosen, 101)
        do(other, 101)
    assert seen(r) == {chosen.pid}
    r.assert_calls(GETPPID, 101)
    assert r.rows("SELECT pid, comm FROM processes") == [(chosen.pid, NAME)]


def test_by_a_name_given_during_the_recording(tmp_path: Path) -> None:
    program = tmp_path / NAME
    program.symlink_to("/bin/true")
    with recording(tmp_path / "t.parquet", "--comm", NAME) as r:
        done = [subprocess.Popen([program]) for _ in range(11)]
        for process in done:
            process.wait()
    assert seen(r) == {p.pid for p in done}
    assert r.one("SELECT count(*) FROM exits") == 11
    assert r.one("SELECT count(*) FROM execs") == 11


def test_by_user(tmp_path: Path) -> None:
    uid = 100_000 + os.getpid()  # a uid that nobody else has
    loop = "read go; i=0; while [ $i -lt 23 ]; do /bin/true; i=$((i + 1)); done"
    shell = subprocess.Popen(["/bin/sh", "-c", loop], stdin=subprocess.PIPE, user=uid, group=uid, extra_groups=[])
    with running(CALLS) as other, recording(tmp_path / "t.parquet", "--uid", str(uid)) as r:
        do(other, 101)
        shell.communicate(b"go\n")
    assert {uid for (uid,) in r.rows("SELECT DISTINCT uid FROM execs")} == {uid}
    assert r.one("SELECT count(*) FROM execs") == 23
    assert r.rows("SELECT ppid, count(*) FROM forks GROUP BY ppid") == [(shell.pid, 23)]
    assert other.pid not in seen(r)


def test_by_pid_with_its_children(tmp_path: Path) -> None:
    with running(PARENT) as chosen, running(PARENT) as other:
        with recording(tmp_path / "a.parquet", "--pid", str(chosen.pid), "--follow") as with_children:
            do(chosen, 23)
            do(other, 23)
        with recording(tmp_path / "b.parquet", "--pid", str(chosen.pid)) as alone:
            do(chosen, 23)
            do(other, 23)
    assert seen(alone) == {chosen.pid}
    alone.assert_calls("SELECT sum(calls) FROM syscall_stats WHERE syscall = 'wait4'", 23)
    assert other.pid not in seen(with_children)
    assert with_children.rows("SELECT ppid, count(*) FROM execs GROUP BY ppid") == [(chosen.pid, 23)]


def test_by_cgroup_and_what_is_below_it(tmp_path: Path) -> None:
    root = next(
        p for p in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")) if (p / "cgroup.controllers").exists()
    )
    outer = root / f"sysmon-test-{os.getpid()}"
    inner = outer / "inner"
    inner.mkdir(parents=True)
    try:
        with running(CALLS) as inside, running(CALLS) as outside:
            (inner / "cgroup.procs").write_text(str(inside.pid))
            with recording(tmp_path / "t.parquet", "--cgroup", outer.name) as r:
                do(inside, 101)
                do(outside, 101)
    finally:
        inner.rmdir()
        outer.rmdir()
    assert seen(r) == {inside.pid}
    r.assert_calls(GETPPID, 101)


def test_no_match_is_reported(tmp_path: Path) -> None:
    done = subprocess.run(
        [SYSMON, "record", "--duration", "0.3", "--comm", "no such name", "-o", tmp_path / "t.parquet"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "no selected process did anything" in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--uid", "no-such-user"], "there is no user 'no-such-user'; "),
        (["--cgroup", "no/such"], "there is no cgroup (version 2) at no/such; "),
        (["--follow"], "--follow needs --pid, --comm, --uid or --cgroup"),
        (["--pid", "1", "--comm", "x"], "--pid cannot be combined with --comm, --uid or --cgroup"),
        (["--comm", "x", "--", "true"], "COMMAND chooses what is recorded: leave out --pid, --comm"),
    ],
)
def test_bad_requests(tmp_path: Path, args: list[str], words: str) -> None:
    done = subprocess.run(
        [SYSMON, "record", "-o", tmp_path / "t.parquet", *args], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert words in done.stderr and done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == []
