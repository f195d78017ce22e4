"""How long a call's thread was off the CPU, in cases with a known answer: calls that wait, that do not, and that are
kept from a CPU by others.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.live import recording
from tests.live.recording import Trace, record_command, wait_for

pytestmark = pytest.mark.live

PRELUDE = """
import ctypes, fcntl, json, os, select, socket, sys, threading, time
said = []
WAIT_S = 0.2
def after(what, *args):
    t = threading.Timer(WAIT_S, what, args); t.start(); return t
libc = ctypes.CDLL(None, use_errno=True)
"""
WAIT_NS = 200_000_000


def record(tmp_path: Path, code: str) -> tuple[Trace, Any]:
    """Records Python code in a directory of its own. Also returns what it put into `said`."""
    code = f"{PRELUDE}{code}\njson.dump(said, open('said', 'w'))"
    trace = record_command(tmp_path / "t.parquet", sys.executable, "-I", "-S", "-c", code, cwd=tmp_path)
    assert trace.status == 0, trace.output
    trace.assert_nothing_lost()
    return trace, json.loads((tmp_path / "said").read_text())


def off_cpu(trace: Trace, syscall: str, where: str = "true") -> tuple[int, int, int, int, int]:
    """Calls and their time: total, asleep, in uninterruptible sleep, runnable [ns]."""
    ((calls, *ns),) = trace.rows(
        "SELECT sum(calls), sum(total_ns), sum(blocked_ns), sum(uninterruptible_ns), sum(runnable_ns) "
        f"FROM syscall_stats WHERE syscall = '{syscall}' AND {where}"
    )
    total, blocked, uninterruptible, runnable = ns
    assert uninterruptible <= blocked and blocked + runnable <= total
    return calls, total, blocked, uninterruptible, runnable


LONG = "max_ns >= 100000000"
WAITING = {
    "read": "r, w = os.pipe(); after(os.write, w, b'x'); os.read(r, 1)",
    "recvfrom": "a, b = socket.socketpair(); after(b.send, b'x'); a.recv(9)",
    "poll": "r, w = os.pipe(); p = select.poll(); p.register(r); p.poll(200)",
    "epoll_wait": "e = select.epoll(); e.poll(WAIT_S)",
    "clock_nanosleep": "time.sleep(WAIT_S)",
    "flock": """
one, other = open("lock", "w"), open("lock")
fcntl.flock(one, fcntl.LOCK_EX); after(fcntl.flock, one, fcntl.LOCK_UN); fcntl.flock(other, fcntl.LOCK_EX)""",
    "futex": "lock = threading.Lock(); lock.acquire(); after(lock.release); lock.acquire()",
    "wait4": "os.waitpid(os.posix_spawn('/bin/sleep', ['sleep', '0.2'], {}), 0)",
    "sendto": """
a, b = socket.socketpair(); a.setblocking(False)
try:
    while True: a.send(bytes(65536))
except BlockingIOError: pass
a.setblocking(True); after(b.recv, 1 << 20); a.send(bytes(65536))""",
}


@pytest.fixture(scope="module")
def waited(tmp_path_factory: pytest.TempPathFactory, live_kernel: None) -> tuple[Trace, dict[str, int]]:
    """A recording in which a process waits in each of these calls, and the pids."""
    code = f"""
import subprocess
for syscall, code in {WAITING!r}.items():
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", {PRELUDE!r} + code])
    assert process.wait() == 0, syscall
    said.append([syscall, process.pid])
"""
    trace, said = record(tmp_path_factory.mktemp("waited"), code)
    return trace, dict(said)


@pytest.mark.alone  # otherwise it would also wait for a CPU
@pytest.mark.parametrize("syscall", WAITING)
def test_a_call_that_waits(waited: tuple[Trace, dict[str, int]], syscall: str) -> None:
    trace, pids = waited
    calls, total, blocked, uninterruptible, _runnable = off_cpu(trace, syscall, f"{LONG} AND pid = {pids[syscall]}")
    assert calls >= 1
    assert blocked >= 0.9 * WAIT_NS and blocked >= 0.8 * total
    assert uninterruptible < 0.2 * blocked


def test_calls_that_do_not_wait(tmp_path: Path) -> None:
    """The same calls with what they need available: 101 times each, and a read of 64 MiB from the page cache."""
    code = """
r, w = os.pipe(); a, b = socket.socketpair(); p = select.poll(); p.register(r)
with open("file", "wb") as f: f.write(bytes(1 << 20))
f = os.open("file", os.O_RDONLY)
room = bytearray(1 << 20)
os.sched_yield()
for _ in range(101):
    os.write(w, b"x"); os.read(r, 1); b.send(b"x"); a.recv(9); p.poll(0)
    fcntl.flock(f, fcntl.LOCK_EX); fcntl.flock(f, fcntl.LOCK_UN)
    os.preadv(f, [room], 0)
"""
    trace, _said = record(tmp_path, code)
    for syscall, calls in {"poll": 101, "recvfrom": 101, "flock": 202, "preadv2": 101}.items():
        counted, _total, blocked, uninterruptible, _runnable = off_cpu(trace, syscall)
        assert (counted, blocked, uninterruptible) == (calls, 0, 0), syscall
    assert trace.one("SELECT sum(blocked_ns) FROM syscall_stats WHERE syscall = 'write' AND bytes = calls") == 0


def test_a_busy_call_that_waits_for_a_cpu(tmp_path: Path) -> None:
    """One CPU, and another process that never sleeps: the call is runnable all the time, and does not wait."""
    code = """
cpu = min(os.sched_getaffinity(0)); os.sched_setaffinity(0, {cpu})
spinner = os.fork()
if not spinner:
    while True: pass
room = bytearray(64 << 20)
fd = os.open("/dev/zero", os.O_RDONLY)
for _ in range(60): os.preadv(fd, [room], 0)
os.kill(spinner, 9); os.waitpid(spinner, 0)
"""
    trace, _said = record(tmp_path, code)
    _calls, total, blocked, _uninterruptible, runnable = off_cpu(trace, "preadv2")
    assert blocked <= 0.02 * total
    assert runnable >= 0.2 * total


def test_a_call_that_sleeps_many_times(tmp_path: Path) -> None:
    """Each time counts, even if the thread is switched out many times during one call."""
    code = """
r, w = os.pipe()
fcntl.fcntl(w, 1031, 4096)  # F_SETPIPE_SZ
def drain():
    for _ in range(20):
        time.sleep(0.01); os.read(r, 4096)
t = threading.Thread(target=drain); t.start()
os.writev(w, [bytes(4096) for _ in range(20)])
t.join()
"""
    trace, _said = record(tmp_path, code)
    calls, total, blocked, _uninterruptible, _runnable = off_cpu(trace, "writev")
    assert calls == 1 and total >= 180_000_000
    assert blocked >= 0.9 * total


def test_disk_waits_are_uninterruptible(tmp_path: Path) -> None:
    code = """
f = os.open("file", os.O_WRONLY | os.O_CREAT)
for _ in range(11): os.write(f, bytes(1 << 20)); os.fsync(f)
"""
    trace, _said = record(tmp_path, code)
    _calls, _total, blocked, uninterruptible, _runnable = off_cpu(trace, "fsync")
    assert uninterruptible >= 0.5 * blocked
    kind = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True).stdout
    assert blocked > 0 or kind == "tmpfs\n", "only a file system in memory has nothing to wait for"


@pytest.mark.alone
def test_calls_across_snapshots_and_edges_of_the_recording(tmp_path: Path) -> None:
    """An existing thread that sleeps in one call when the recording begins; and calls that span snapshots."""
    code = "import os, sys\nos.write(1, b'.')\nwhile os.read(0, 1): pass"
    sleeper = recording.python(code, stdin=-1, stdout=-1)
    assert sleeper.stdin and sleeper.stdout
    with sleeper:
        assert sleeper.stdout.read(1) == "."
        wait_for(lambda: recording.thread_state(sleeper.pid) == "S")
        with recording.recording(tmp_path / "t.parquet", "--interval", "0.1") as trace:
            for _ in range(4):  # the first ends the call from before the recording
                code = "import time\ntime.sleep(0.25)"
                assert recording.python(code).wait() == 0
                os.write(sleeper.stdin.fileno(), b"x")
        sleeper.stdin.close()
        assert sleeper.wait(60) == 0
    calls, total, blocked, _uninterruptible, runnable = off_cpu(trace, "read", f"pid = {sleeper.pid}")
    assert calls == 3
    assert blocked >= 700_000_000 and blocked + runnable >= 0.98 * total
    assert trace.one(f"SELECT count(*) FROM syscalls_in_flight WHERE pid = {sleeper.pid} AND syscall = 'read'") == 2
