"""A process that starts or stops matching a filter: it takes effect from one system call to the next."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.recording import Trace, python, recording, thread_state, wait_for

pytestmark = pytest.mark.live

NOBODY = 65534

NAME = f"prey{os.getpid()}"
"""A name that nobody else has."""

STEPS = """
import ctypes, os, sys, threading, time
libc = ctypes.CDLL(None)
def calls(n):
    for _ in range(n): os.getppid()
def opens(n):
    for _ in range(n):
        try: os.open('/no-such-file-of-the-test', 0)
        except OSError: pass
def uid(n): os.setresuid(n, n, n)
def effective(n): os.setresuid(-1, n, -1)
def name(text): libc.prctl(15, text.encode())
def spin(seconds):
    began = time.process_time_ns()
    while time.process_time_ns() < began + seconds * 1e9: pass
    return (time.process_time_ns() - began) / 1e9
def threads(n):
    for _ in range(n): threading.Thread(target=lambda: (os.read(pipe[0], 1), calls(100)), daemon=True).start()
def wake(n):
    os.write(pipe[1], b'x' * n)
    time.sleep(0.2)
def thread_names(text):
    def write():
        with open(f'/proc/{os.getpid()}/comm', 'w') as comm: comm.write(text)
    thread = threading.Thread(target=write); thread.start(); thread.join()
pipe = os.pipe()
for line in sys.stdin:
    verb, _, argument = line.strip().partition(' ')
    kind = {'name': str, 'thread_names': str, 'spin': float}.get(verb, int)
    done = globals()[verb](kind(argument))
    print(done, flush=True)
"""


class Steps:
    """A process that takes steps on command."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.pid = process, process.pid

    def do(self, *steps: str) -> str:
        """Takes the steps. Returns what the last one printed."""
        said = ""
        for step in steps:
            assert self.process.stdin and self.process.stdout
            self.process.stdin.write(f"{step}\n")
            self.process.stdin.flush()
            said = self.process.stdout.readline().strip()
        return said


@contextlib.contextmanager
def stepping() -> Iterator[Steps]:
    process = python(STEPS, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    steps = Steps(process)
    steps.do("calls 1")
    try:
        yield steps
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group of version 2."""
    root = next(
        p for p in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")) if (p / "cgroup.controllers").exists()
    )
    made = root / f"sysmon-change-{os.getpid()}"
    made.mkdir()
    yield made
    for pid in (made / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):
            (root / "cgroup.procs").write_text(pid)
    wait_for(lambda: not (made / "cgroup.procs").read_text())
    made.rmdir()


def assert_counts(trace: Trace, pid: int, calls: int, opens: int = 0) -> None:
    """Checks the process's calls, and that none is reported as lost or still in flight."""
    trace.assert_calls(
        f"SELECT coalesce(sum(calls), 0) FROM syscall_stats WHERE syscall = 'getppid' AND pid = {pid}", calls
    )
    named = "path = '/no-such-file-of-the-test'"
    assert trace.one(f"SELECT count(*) FROM opens WHERE pid = {pid} AND {named}") == opens
    counted = f"SELECT coalesce(sum(calls), 0) FROM syscall_stats WHERE syscall LIKE 'open%' AND pid = {pid}"
    assert trace.one(counted) == trace.one(f"SELECT count(*) FROM opens WHERE pid = {pid}"), "calls are events"
    assert trace.rows("SELECT cause, place, lost FROM losses WHERE cause <> 'recursion'") == []


def test_a_daemon_drops_its_privileges(tmp_path: Path) -> None:
    with stepping() as it, recording(tmp_path / "t.parquet", "--uid", "nobody") as r:
        it.do("calls 1009", "opens 7", f"uid {NOBODY}", "calls 5003", "opens 53", "calls 701")
        time.sleep(1.2)
        it.do("calls 11")
    assert_counts(r, it.pid, 5003 + 701 + 11, 53)


def test_a_process_that_leaves_the_user_is_no_longer_recorded(tmp_path: Path) -> None:
    with stepping() as it:
        it.do(f"name {NAME}")
        with recording(tmp_path / "t.parquet", "--uid", "root", "--comm", NAME) as r:
            it.do("calls 1009", "opens 7", f"uid {NOBODY}", "calls 5003", "opens 53")
    assert_counts(r, it.pid, 1009, 7)
    left = r.rows(f"SELECT syscall FROM syscalls_in_flight WHERE pid = {it.pid} AND edge <> 'start'")
    assert left == [], "what it did as another is not what it was in when that began"


def test_the_real_user_counts_and_not_the_effective(tmp_path: Path) -> None:
    with stepping() as it:
        it.do(f"name {NAME}")
        with recording(tmp_path / "t.parquet", "--uid", "root", "--comm", NAME) as r:
            it.do(f"effective {NOBODY}", "calls 503")
    assert_counts(r, it.pid, 503)


@pytest.mark.parametrize("step", ["name", "thread_names"])
def test_a_process_is_renamed(tmp_path: Path, step: str) -> None:
    """By its first thread, or by another: the kernel allows nobody else."""
    with stepping() as it, recording(tmp_path / "t.parquet", "--comm", NAME) as r:
        it.do("calls 1009")
        it.do(f"{step} {NAME}", "calls 503", "opens 11")
        it.do(f"{step} stranger", "calls 2003", "opens 13")
        it.do(f"{step} {NAME}", "calls 101")
    assert_counts(r, it.pid, 604, 11)
    assert {pid for (pid,) in r.rows("SELECT pid FROM renames")} <= {it.pid}


@pytest.mark.parametrize("there", [True, False])
def test_a_process_is_moved_by_another(tmp_path: Path, group: Path, there: bool) -> None:
    outside = group.parent / "cgroup.procs"
    with stepping() as it, recording(tmp_path / "t.parquet", "--cgroup", f"/{group.name}") as r:
        if not there:
            (group / "cgroup.procs").write_text(str(it.pid))
        it.do("calls 1009", "opens 7")
        (group / "cgroup.procs" if there else outside).write_text(str(it.pid))
        it.do("calls 503", "opens 11")
    assert_counts(r, it.pid, 503 if there else 1009, 11 if there else 7)


def test_threads_that_sleep_in_a_call_meanwhile(tmp_path: Path, group: Path) -> None:
    """They entered it outside: it is not a call of the recording, and was not refused."""
    with stepping() as it, recording(tmp_path / "t.parquet", "--cgroup", f"/{group.name}") as r:
        it.do("threads 5")
        wait_for(lambda: all(thread_state(int(t.name)) == "S" for t in Path(f"/proc/{it.pid}/task").iterdir()))
        (group / "cgroup.procs").write_text(str(it.pid))
        it.do("wake 5", "calls 3")
    assert_counts(r, it.pid, 503)
    reads = r.one(f"SELECT sum(calls) FROM syscall_stats WHERE syscall = 'read' AND pid = {it.pid}")
    asked = r.one(f"SELECT count(*) FROM syscalls_in_flight WHERE pid = {it.pid} AND edge <> 'end'")
    assert reads <= 3 and asked == 0, "what they read, and what the first one waited in, began outside"


def test_threads_that_sleep_in_a_call_that_is_recorded(tmp_path: Path, group: Path) -> None:
    """They entered it inside, so it counts when it returns."""
    with stepping() as it:
        (group / "cgroup.procs").write_text(str(it.pid))
        with recording(tmp_path / "t.parquet", "--cgroup", f"/{group.name}") as r:
            it.do("threads 5")
            wait_for(lambda: all(thread_state(int(t.name)) == "S" for t in Path(f"/proc/{it.pid}/task").iterdir()))
            before = Path(f"/proc/{it.pid}/task")
            tids = [int(t.name) for t in before.iterdir() if int(t.name) != it.pid]
            time.sleep(0.05)  # so that their calls take time
            (group.parent / "cgroup.procs").write_text(str(it.pid))
            it.do("wake 5", "calls 3")
    assert len(tids) == 5
    assert_counts(r, it.pid, 0)
    slow = "SELECT sum(calls) FROM syscall_stats WHERE syscall = 'read' AND max_ns > 10000000"
    assert r.one(f"{slow} AND pid = {it.pid}") >= 5


@pytest.mark.parametrize("how", ["uid", "moved", "renamed"])
def test_cpu_time_counts_only_while_the_process_matches(tmp_path: Path, group: Path, how: str) -> None:
    """Half a second outside, then a third inside: its own clock is the oracle."""
    chosen = {"uid": ("--uid", str(NOBODY)), "moved": ("--cgroup", f"/{group.name}"), "renamed": ("--comm", NAME)}
    with stepping() as it, recording(tmp_path / "t.parquet", *chosen[how]) as r:
        it.do("spin 0.5")
        if how == "uid":
            it.do(f"uid {NOBODY}")
        elif how == "moved":
            (group / "cgroup.procs").write_text(str(it.pid))
        else:
            it.do(f"name {NAME}")
        used = float(it.do("spin 0.33"))
    found = r.one(f"SELECT sum(oncpu_ns) / 1e9 FROM cpu WHERE pid = {it.pid}")
    assert found == pytest.approx(used, rel=0.1), "what a hypervisor takes is in both or in one"


def test_a_process_that_makes_no_call_and_keeps_its_cpu(tmp_path: Path, group: Path) -> None:
    """Another process moves it while it computes."""
    code = "import os, time\nos.sched_setaffinity(0, {0})\nprint(flush=True)\nx = 0\nwhile True: x += 1"
    with recording(tmp_path / "t.parquet", "--cgroup", f"/{group.name}") as r:
        spinner = python(code, stdout=subprocess.PIPE)
        assert spinner.stdout
        spinner.stdout.readline()
        time.sleep(0.7)
        (group / "cgroup.procs").write_text(str(spinner.pid))
        before = time.monotonic(), ticks(spinner.pid)
        time.sleep(1.5)
        used = ticks(spinner.pid) - before[1]
        spinner.kill()
        spinner.communicate()
    found = r.one(f"SELECT sum(oncpu_ns) / 1e9 FROM cpu WHERE pid = {spinner.pid}")
    assert found == pytest.approx(used, abs=0.15)


def ticks(pid: int) -> float:
    """CPU time from /proc [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_memory_counts_only_while_the_process_matches(tmp_path: Path) -> None:
    with stepping() as it, recording(tmp_path / "t.parquet", "--uid", "nobody", "--interval", "0.2") as r:
        it.do("calls 3")
        time.sleep(0.5)
        it.do(f"uid {NOBODY}")
        changed = time.time_ns()
        for _ in range(4):
            it.do("calls 3")
            time.sleep(0.2)
    rows, first = r.rows(f"SELECT count(*), min(epoch_ns(ts)) FROM memory WHERE pid = {it.pid}")[0]
    assert rows >= 2
    assert first > changed - 300_000_000


FILTERED = """
import ctypes, os, struct, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
# getppid (110) is answered: with the error that argv[1] says, 0 being success; all else goes on.
answer = 0x00050000 | int(sys.argv[1])
code = [(0x20, 0, 0, 0), (0x15, 0, 1, 110), (0x06, 0, 0, answer), (0x06, 0, 0, 0x7fff0000)]
program = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *i) for i in code))
head = struct.pack('HxxxxxxQ', len(code), ctypes.addressof(program))
assert libc.prctl(22, 2, head) == 0
def ask():
    for _ in range(101): libc.getppid()
worker = threading.Thread(target=ask); worker.start(); worker.join()
"""


@pytest.mark.parametrize("error", [0, 1, 95])
def test_calls_answered_by_seccomp_are_refused_whatever_the_answer(tmp_path: Path, error: int) -> None:
    with recording(tmp_path / "t.parquet", "--comm", NAME) as r:
        code = f"import ctypes; ctypes.CDLL(None).prctl(15, b'{NAME}')\n{FILTERED}"
        process = python(code, str(error), stderr=subprocess.PIPE)
        _out, said = process.communicate()
        assert process.returncode == 0, said
    assert r.one("SELECT coalesce(sum(calls), 0) FROM syscall_stats WHERE syscall = 'getppid'") == 0
    assert r.one("SELECT sum(lost) FROM losses WHERE cause = 'refused'") == 101


def test_a_filter_installed_later_refuses_calls_of_an_existing_thread(tmp_path: Path) -> None:
    begin = f"import ctypes, sys; ctypes.CDLL(None).prctl(15, b'{NAME}'); print(flush=True); sys.stdin.readline()\n"
    process = python(f"{begin}{FILTERED}\nask()", "0", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    with recording(tmp_path / "t.parquet", "--comm", NAME) as r:
        process.communicate("go\n")
    assert r.one("SELECT sum(lost) FROM losses WHERE cause = 'refused'") == 202
    assert r.rows("SELECT syscall FROM syscalls_in_flight WHERE syscall = 'getppid'") == []
