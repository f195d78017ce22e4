"""Forks, execs, exits and renames, compared with what the parent saw."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.live.recording import ShortLives, Trace, exit_status, python, record_command, recording, wait_for

pytestmark = pytest.mark.live

CTYPES = "import ctypes, os, sys, threading, time; libc = ctypes.CDLL(None)\n"


def python_command(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def test_two_thousand_short_processes(short_lives: ShortLives) -> None:
    r, shell, start = short_lives.trace, short_lives.shell, short_lives.shell_start
    r.assert_nothing_lost()
    execs = r.rows(f"SELECT pid, start, path, argv, argv_truncated FROM execs WHERE ppid = {shell} AND comm = 'true'")
    assert len(execs) == len({e[:2] for e in execs}) == 2003
    assert {e[2] for e in execs} == {"/bin/true"}
    assert all(e[3:] == (["/bin/true"], False) for e in execs)
    exits = r.rows(
        f"SELECT pid, start, exit_code, signal, core_dumped, lifetime_ns, cpu_ns, syscalls FROM exits "
        f"WHERE ppid = {shell} AND comm = 'true'"
    )
    assert {e[:2] for e in exits} == {e[:2] for e in execs}
    assert len(exits) == 2003
    assert {e[2:5] for e in exits} == {(0, None, False)}
    # CPU time continues for a moment after the exit, while the kernel cleans up.
    assert all(100_000 < e[5] < 10**10 and 0 < e[6] <= e[5] + 10**8 and e[7] > 10 for e in exits)
    forks = r.rows(f"SELECT pid, start, parent_start FROM forks WHERE ppid = {shell}")
    assert {f[:2] for f in forks} == {e[:2] for e in execs}
    assert {f[2] // 10**7 * 10**7 for f in forks} == {start}  # which is from /proc


EXIT_THREAD = {"x86_64": 60}.get(os.uname().machine, 93)  # the number of exit(2), which ends one thread
LATER = "threading.Thread(target=lambda: (time.sleep(.2), {})).start(); libc.syscall({}, 5)"
ENDINGS = {
    "code": "os._exit(7)",
    "code of 255": "os._exit(255)",
    "signal": f"os.kill(os.getpid(), {int(signal.SIGTERM)})",
    "signal with core": f"os.kill(os.getpid(), {int(signal.SIGSEGV)})",
    "kill": f"os.kill(os.getpid(), {int(signal.SIGKILL)})",
    "leader first, then a code": LATER.format("os._exit(9)", EXIT_THREAD),
    "leader first, then the last thread": LATER.format(f"libc.syscall({EXIT_THREAD}, 3)", EXIT_THREAD),
    "sixteen threads": "for _ in range(16): threading.Thread(target=time.sleep, args=(9,)).start()\nos._exit(11)",
}


@pytest.fixture(scope="module")
def ended(
    tmp_path_factory: pytest.TempPathFactory, live_kernel: None
) -> tuple[Trace, dict[str, tuple[subprocess.Popen[str], int]]]:
    """A recording in which a process ended in each of these ways, and wait4(2)'s status."""
    folder = tmp_path_factory.mktemp("ended")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (-1, -1))\n"
    with recording(folder / "t.parquet") as r:
        processes = {name: python(limit + CTYPES + code, cwd=folder) for name, code in ENDINGS.items()}
        statuses = {name: (process, exit_status(process)) for name, process in processes.items()}
    return r, statuses


@pytest.mark.quick
@pytest.mark.parametrize("name", ENDINGS)
def test_how_a_process_ends(ended: tuple[Trace, dict[str, tuple[subprocess.Popen[str], int]]], name: str) -> None:
    r, statuses = ended
    process, status = statuses[name]
    found = r.rows(f"SELECT exit_code, signal, core_dumped, lifetime_ns FROM exits WHERE pid = {process.pid}")
    assert len(found) == 1, "one process has one exit, whatever its threads do"
    exit_code, by_signal, core, lifetime = found[0]
    assert exit_code == (os.WEXITSTATUS(status) if os.WIFEXITED(status) else None)
    assert by_signal == (os.WTERMSIG(status) if os.WIFSIGNALED(status) else None)
    assert core == os.WCOREDUMP(status)
    assert lifetime > (200_000_000 if name.startswith("leader first") else 0)
    if name == "signal with core" and "core" in Path("/proc/sys/kernel/core_pattern").read_text():
        assert core


def test_exec_by_a_thread_that_is_not_the_leader(tmp_path: Path) -> None:
    code = CTYPES + (
        "def become(): time.sleep(.2); os.execv('/bin/sh', ['sh', '-c', 'exit 13'])\n"
        "threading.Thread(target=become).start(); time.sleep(9)"
    )
    with recording(tmp_path / "t.parquet") as r:
        process = python(code)
        assert process.wait() == 13
    execs = r.rows(f"SELECT pid, tid = pid, path, argv FROM execs WHERE pid = {process.pid} ORDER BY ts")
    assert execs[-1] == (process.pid, False, "/bin/sh", ["sh", "-c", "exit 13"])
    assert execs[0][1] is True
    assert r.rows(f"SELECT exit_code FROM exits WHERE pid = {process.pid}") == [(13,)]
    calls = f"SELECT sum(calls) FROM syscall_stats WHERE pid = {process.pid} AND bucket IS NOT NULL AND syscall = "
    assert r.one(calls + "'execve'") == 2
    # The leader was killed in its sleep: such a call returns, inside the kernel, before its thread ends.
    assert r.one(calls + "'clock_nanosleep'") == 2
    assert r.rows(f"SELECT * FROM renames WHERE pid = {process.pid}") == []
    assert r.rows(f"SELECT * FROM syscalls_in_flight WHERE pid = {process.pid}") == []


@pytest.mark.quick
def test_renames(tmp_path: Path) -> None:
    code = (
        CTYPES + "libc.prctl(15, b'first name'); libc.prctl(15, b'sixteen letters!'); open(sys.argv[1], 'w').write('x')"
    )
    other = python("import time; time.sleep(30)")
    try:
        wait_for(lambda: Path(f"/proc/{other.pid}/comm").exists())
        with recording(tmp_path / "t.parquet") as r:
            process = python(code, "/dev/null")
            assert process.wait() == 0
    finally:
        other.kill()
        other.wait()
    renames = r.rows(f"SELECT tid, old_comm, comm FROM renames WHERE pid = {process.pid} ORDER BY ts")
    assert [(tid == process.pid, new) for tid, _old, new in renames] == [
        (True, "first name"),
        (True, "sixteen letters"),
    ]
    assert [old for _tid, old, _new in renames] == [Path(sys.executable).name[:15], "first name"]
    assert r.rows(f"SELECT comm FROM exits WHERE pid = {process.pid}") == [("sixteen letters",)]
    assert r.rows(f"SELECT comm FROM processes WHERE pid = {process.pid}") == [("sixteen letters",)]


@pytest.mark.alone
def test_a_pid_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    last_pid = Path("/proc/sys/kernel/ns_last_pid")
    code = "import os, sys\nfor _ in range(int(sys.argv[1])): os.getppid()"

    def run_as(pid: int, calls: int) -> bool:
        last_pid.write_text(str(pid - 1))
        process = python(code, str(calls))
        assert process.wait() == 0
        return process.pid == pid

    with recording(tmp_path / "t.parquet") as r:
        first = python(code, "101")
        assert first.wait() == 0
        wait_for(lambda: run_as(first.pid, 211))  # until no other process takes the pid in between
    named = f"WHERE pid = {first.pid} AND syscall = 'getppid'"
    assert r.rows(f"SELECT calls FROM report.syscalls_by_process {named} ORDER BY calls") == [(101,), (211,)]
    assert len(r.rows(f"SELECT DISTINCT start FROM processes WHERE pid = {first.pid}")) == 2


def test_long_and_odd_arguments(tmp_path: Path) -> None:
    long = "x" * 5000
    odd = b"\xff\xfe\n\x1b[31m"
    with recording(tmp_path / "t.parquet") as r:
        subprocess.run(["/bin/true", long], check=True)
        subprocess.run([b"/bin/true", odd, "", "ümlaut"], check=True)
        subprocess.run(["/bin/true", "y" * 300, "", "end"], check=True)
    argv = [a for a, _t in r.rows(f"SELECT argv, argv_truncated FROM execs WHERE ppid = {os.getpid()} ORDER BY ts")]
    truncated = [
        t for _a, t in r.rows(f"SELECT argv, argv_truncated FROM execs WHERE ppid = {os.getpid()} ORDER BY ts")
    ]
    assert truncated == [True, False, False]
    assert argv[0] == ["/bin/true", "x" * (4096 - len("/bin/true") - 1)]
    assert argv[1] == ["/bin/true", "\\xff\\xfe\n\x1b[31m", "", "ümlaut"]
    assert argv[2] == ["/bin/true", "y" * 300, "", "end"]


def test_a_long_path(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 200)
    folder.mkdir()
    program = folder / "program"
    program.symlink_to("/bin/true")
    with recording(tmp_path / "t.parquet") as r:
        subprocess.run([program], check=True)
    assert r.rows(f"SELECT path, path_truncated FROM execs WHERE ppid = {os.getpid()}") == [(str(program), False)]


def test_descendants_are_recorded_and_nobody_else(tmp_path: Path) -> None:
    # The child in the middle ends at once: its own child is orphaned but still a descendant.
    script = "(sh -c '(sleep 0.3; exec /bin/true) & exit 5'); /bin/true; exit 4"
    stranger = python("import subprocess\nwhile True: subprocess.run(['/bin/true'])")
    try:
        r = record_command(tmp_path / "t.parquet", "sh", "-c", script)
    finally:
        stranger.kill()
        stranger.wait()
    assert r.status == 4
    pids = {pid for (pid,) in r.rows("SELECT pid FROM processes")}
    assert stranger.pid not in pids
    assert not r.rows(f"SELECT * FROM execs WHERE ppid = {stranger.pid}")
    assert {pid for (pid,) in r.rows("SELECT pid FROM exits")} == pids
    assert r.one("SELECT count(*) FROM execs WHERE path = '/bin/true'") == 2
    assert r.one("SELECT count(*) FROM exits WHERE exit_code = 5") >= 1
    assert r.one("SELECT max(lifetime_ns) FROM exits") > 300_000_000
    r.assert_nothing_lost()


def test_a_process_that_lives_before_and_after(tmp_path: Path) -> None:
    process = python("import time; time.sleep(60)")
    try:
        wait_for(lambda: "sleep" in Path(f"/proc/{process.pid}/wchan").read_text() or time.sleep(0.2) is None)
        with recording(tmp_path / "t.parquet") as r:
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    assert r.rows(
        f"SELECT start, alive_at_start, alive_at_end, ended, ppid FROM processes WHERE pid = {process.pid}"
    ) == [(r.rows(f"SELECT start FROM process_states WHERE pid = {process.pid}")[0][0], True, True, None, os.getpid())]


def test_a_pid_namespace_of_its_own(tmp_path: Path) -> None:
    """unshare(1) makes a namespace: its child is process 1 there."""
    outer = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "sleep", "60"], start_new_session=True)
    try:
        wait_for(lambda: Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().strip())
        before = int(Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text())
        with recording(tmp_path / "t.parquet") as r:
            said = subprocess.run(
                ["unshare", "--pid", "--fork", "sh", "-c", "echo $$; sh -c 'echo $$; true'"],
                capture_output=True, text=True, check=True,
            ).stdout.split()  # fmt: skip
    finally:
        outer.kill()
        outer.wait()
    assert said[0] == "1"
    seen = r.rows("SELECT ns_pid FROM execs WHERE comm = 'sh' AND ns_pid <> pid ORDER BY ts")
    assert [str(n) for (n,) in seen] == said
    assert r.rows(f"SELECT DISTINCT ns_pid FROM processes WHERE pid = {before}") == [(1,)]
    assert r.one("SELECT count(*) FROM forks WHERE ns_pid = 1") == 1
    assert r.one(f"SELECT ns_pid FROM processes WHERE pid = {os.getpid()}") == os.getpid()
