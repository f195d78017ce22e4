"""Who woke whom, and what was waited for, in programs that know it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.live.recording import SYSMON, Trace, recording

pytestmark = [pytest.mark.live, pytest.mark.alone]

PRELUDE = """
import ctypes, fcntl, json, mmap, os, select, signal, socket, struct, sys, threading, time
said = {}
DELAY_S, TIMES = 0.02, 10
def in_child(what):
    pid = os.fork()
    if not pid:
        what()
        os._exit(0)
    return pid
def late(what):
    def run():
        for _ in range(TIMES):
            time.sleep(DELAY_S)
            what()
    return in_child(run)
libc = ctypes.CDLL(None, use_errno=True)
"""
DELAY_NS, TIMES = 20_000_000, 10


def record(folder: Path, code: str, *options: str) -> tuple[Trace, Any]:
    """Records Python code in a directory of its own. Also returns what it put into `said`."""
    path, script = folder / "t.parquet", folder / "script.py"
    script.write_text(f"{PRELUDE}{code}\njson.dump(said, open('said', 'w'))")
    done = subprocess.run(
        [SYSMON, "record", "--with", "waits", *options, "-o", path, "--", sys.executable, "-I", "-S", script],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trace = Trace(path, done.stderr, done.returncode)
    trace.assert_nothing_lost()
    return trace, json.loads((folder / "said").read_text())


WAITS = """
def pipe():
    r, w = os.pipe(); said["pipe"] = [late(lambda: os.write(w, b"x")), os.fstat(r).st_ino]
    for _ in range(TIMES): os.read(r, 1)
def poll():
    r, w = os.pipe(); said["poll"] = [late(lambda: os.write(w, b"x")), os.fstat(r).st_ino]
    p = select.poll(); p.register(r, select.POLLIN)
    for _ in range(TIMES): p.poll(); os.read(r, 1)
def unix():
    a, b = socket.socketpair(); said["unix"] = [late(lambda: b.send(b"x")), os.fstat(a.fileno()).st_ino]
    for _ in range(TIMES): a.recv(1)
def flock():
    f = open("locked", "w"); r, w = os.pipe()
    def hold():
        mine = open("locked"); fcntl.flock(mine, fcntl.LOCK_EX); os.write(w, b"x")
        time.sleep(DELAY_S); fcntl.flock(mine, fcntl.LOCK_UN)
    said["flock"] = [in_child(hold), os.fstat(f.fileno()).st_ino]
    os.read(r, 1); fcntl.flock(f, fcntl.LOCK_EX)
def tcp():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        def serve():
            c = server.accept()[0]
            for _ in range(TIMES): c.recv(1); time.sleep(DELAY_S); c.send(b"x")
        said["tcp"] = [in_child(serve), port]
        c = socket.create_connection(("127.0.0.1", port))
        for _ in range(TIMES): c.send(b"x"); c.recv(1)
def tcp6():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        def serve():
            c = server.accept()[0]
            for _ in range(TIMES): c.recv(1); time.sleep(DELAY_S); c.send(b"x")
        said["tcp6"] = [in_child(serve), port]
        c = socket.create_connection(("::1", port))
        for _ in range(TIMES): c.send(b"x"); c.recv(1)
def timer():
    said["timer"] = [0, 0]
    for _ in range(TIMES): time.sleep(DELAY_S)
def eventfd():
    e = libc.eventfd(0, 0); said["eventfd"] = [late(lambda: os.write(e, bytes([1] + [0] * 7))), 0]
    for _ in range(TIMES): os.read(e, 8)
def sent():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN]); me = os.getpid()
    said["sent"] = [late(lambda: os.kill(me, signal.SIGRTMIN)), 0]
    for _ in range(TIMES): signal.sigwait([signal.SIGRTMIN])
def uring():
    params = (ctypes.c_uint32 * 30)(); ring = libc.syscall(425, 16, params); said["uring"] = [0, 0, ring]
    if ring < 0: return
    at = list(params[10:20])  # sq_off: head, tail, ring_mask, ring_entries, flags, dropped, array
    queue, entries = mmap.mmap(ring, at[6] + 64), mmap.mmap(ring, 64 * 16, offset=0x10000000)
    later = ctypes.create_string_buffer(struct.pack("qq", 0, int(DELAY_S * 1e9)))
    for n in range(TIMES):
        slot = n & struct.unpack_from("I", queue, at[2])[0]
        entries[64 * slot : 64 * slot + 64] = struct.pack("BBHiQQI36x", 11, 0, 0, -1, 0, ctypes.addressof(later), 1)
        struct.pack_into("I", queue, at[6] + 4 * slot, slot); struct.pack_into("I", queue, at[1], n + 1)
        libc.syscall(426, ring, 1, n + 1, 1, None, 0)  # IORING_OP_TIMEOUT, and wait for all
for do in (pipe, poll, unix, flock, tcp, tcp6, timer, eventfd, sent, uring):
    pid = in_child(lambda: (do(), json.dump(said, open("said", "w"))))
    os.waitpid(pid, 0)
    (known,) = json.load(open("said")).items()
    said[known[0]] = [pid, *known[1]]
    json.dump({}, open("said", "w"))
"""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, live_kernel: None) -> tuple[Trace, dict[str, list[int]]]:
    """A recording of processes that wait, each in one way: by name, its pid, the waker's and what it waited for."""
    code = WAITS.replace("(do(), json", "(said.clear(), do(), json")
    return record(tmp_path_factory.mktemp("known"), code)


THREADS = {
    "pipe": ("pipe", TIMES),
    "poll": ("poll", TIMES),
    "unix": ("pipe", TIMES),
    "flock": ("lock", 1),
    "eventfd": ("event", TIMES),
    "sent": ("sleep", TIMES),
}
"""What waits for a thread: why, and how often."""


@pytest.mark.parametrize("way", THREADS)
def test_a_thread_that_wakes_another(known: tuple[Trace, dict[str, list[int]]], way: str) -> None:
    trace, said = known
    pid, waker, inode = said[way]
    waited_for, times = THREADS[way]
    ((waits, ns, by, wakers, objects),) = trace.rows(
        "SELECT sum(waits), sum(waited_ns), list(DISTINCT woken_by), list(DISTINCT waker_pid), list(DISTINCT object) "
        f"FROM wakeups WHERE pid = {pid} AND waited_for = '{waited_for}' AND waited_ns > {DELAY_NS // 2}"
    )
    assert (by, wakers) == (["thread"], [waker])
    assert times // 2 <= waits <= times, "where it came late, what it was to wait for was there"
    assert ns >= waits * DELAY_NS * 0.8
    assert objects == ([inode] if inode else [None])


@pytest.mark.parametrize("way", ["tcp", "tcp6"])
def test_what_comes_over_a_network_wakes_in_an_interrupt(known: tuple[Trace, dict[str, list[int]]], way: str) -> None:
    """The sender's thread runs it, but that is chance; the process at the other end is known by its ports."""
    trace, said = known
    pid, server, port = said[way]
    rows = trace.rows(
        "SELECT waker, waker_key.pid, object, sum(waits) FROM ended_waits "
        f"WHERE pid = {pid} AND waited_for = 'network' AND ns > {DELAY_NS // 2} GROUP BY ALL"
    )
    address = f"127.0.0.1:{port}" if way == "tcp" else f"[::1]:{port}"
    ((*found, waits),) = rows
    assert found == ["interrupt: network", server, address]
    assert TIMES // 2 <= waits <= TIMES, "where the client came late, the byte was there"
    assert (
        trace.one(f"SELECT count(*) FROM wakeups WHERE waited_for = 'network' AND woken_by = 'thread' AND pid = {pid}")
        == 0
    )


def test_time_that_passes(known: tuple[Trace, dict[str, list[int]]]) -> None:
    trace, said = known
    rows = trace.rows(f"SELECT woken_by, waker_pid, sum(waits) FROM wakeups WHERE pid = {said['timer'][0]} "
                      "AND waited_for = 'sleep' GROUP BY ALL")  # fmt: skip
    assert rows == [("timer", None, TIMES)]


def test_what_io_uring_waits_for_is_not_always_a_disk(known: tuple[Trace, dict[str, list[int]]]) -> None:
    """The kernel counts it as waiting for I/O all the same: here it waits for time to pass."""
    trace, said = known
    pid, _waker, _inode, ring = said["uring"]
    if ring < 0:
        pytest.skip("io_uring is disabled on this machine")
    rows = trace.rows(f"SELECT waited_for, sum(waits) FROM wakeups WHERE pid = {pid} AND syscall = 'io_uring_enter' "
                      f"AND waited_ns > {DELAY_NS // 2} GROUP BY ALL")  # fmt: skip
    assert rows == [("poll", TIMES)]


def test_nobodys_name_stands_for_an_anonymous_file(known: tuple[Trace, dict[str, list[int]]]) -> None:
    trace, said = known
    assert trace.one(
        f"SELECT DISTINCT object FROM ended_waits WHERE pid = {said['eventfd'][0]} AND waited_for = 'event'"
    ) == ("[eventfd]")


def test_the_waits_are_those_of_the_view_cpu(known: tuple[Trace, dict[str, list[int]]]) -> None:
    """By thread, reason and call, exactly."""
    trace, _said = known
    columns = "pid, start, tid, waited_for, nr"
    sums = f"SELECT {columns}, sum(waits) AS waits, sum(waited_ns) AS ns, max(max_waited_ns) AS longest"
    ours = f"{sums} FROM wakeups GROUP BY ALL"
    theirs = f"{sums} FROM cpu WHERE waits > 0 AND waited_for IS DISTINCT FROM 'runnable' GROUP BY ALL"
    assert trace.one(f"SELECT count(*) FROM ({ours})") > 20
    assert trace.rows(f"({ours} EXCEPT ALL {theirs}) UNION ALL ({theirs} EXCEPT ALL {ours})") == []


CONVOY = """
libc.prctl.argtypes = [ctypes.c_int, ctypes.c_char_p]
lock, ready = threading.Lock(), threading.Barrier(8)
waited, held = {}, []
def work(number):
    libc.prctl(15, f"convoy-{number}".encode())
    me = threading.get_native_id()
    time.sleep(0.3)  # so that a snapshot comes between the old name and the new one
    ready.wait()
    for _ in range(5):
        began = time.monotonic_ns()
        lock.acquire()
        waited[me] = waited.get(me, 0) + time.monotonic_ns() - began
        began = time.monotonic_ns()
        time.sleep(0.05 if number == 3 else 0.001)
        lock.release()
        if number == 3: held.append(time.monotonic_ns() - began)
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for t in threads: t.start()
for t in threads: t.join()
said |= {"waited": waited, "tids": sorted(waited), "held": sum(held)}

barrier, mutex, kind = (ctypes.create_string_buffer(64) for _ in range(3))
libc.pthread_barrier_init(barrier, None, 2)
libc.pthread_mutexattr_init(kind), libc.pthread_mutexattr_setprotocol(kind, 1)  # PTHREAD_PRIO_INHERIT
libc.pthread_mutex_init(mutex, kind)
def meet(number):
    for turn in range(6):
        if turn % 2 == number: time.sleep(DELAY_S)
        libc.pthread_barrier_wait(barrier)
    if number: time.sleep(DELAY_S)
    libc.pthread_mutex_lock(mutex)
    time.sleep(2 * DELAY_S)
    libc.pthread_mutex_unlock(mutex)
threads = [threading.Thread(target=meet, args=(n,)) for n in range(2)]
for t in threads: t.start()
for t in threads: t.join()
said |= {"barrier": ctypes.addressof(barrier), "mutex": ctypes.addressof(mutex)}
"""


def test_a_convoy_shows_who_released_the_lock(tmp_path: Path, live_kernel: None) -> None:
    """Of 8 threads one holds the lock 50 times as long as the others: it released what they waited for."""
    trace, said = record(tmp_path, CONVOY, "--interval", "0.1")
    rows = trace.rows(
        "SELECT object, sum(ns), count(*) FILTER (waker_tid IS NULL) FROM ended_waits "
        f"WHERE waited_for = 'lock' AND tid IN {tuple(said['tids'])} GROUP BY object ORDER BY 2 DESC"
    )
    futex, ns, without = rows[0]
    assert futex.startswith("futex 0x") and without == 0
    asked = sum(said["waited"].values())
    assert 0.4 * asked <= ns <= asked, "it counts the time that it was then ready to run, too"
    held = trace.rows(
        f"SELECT waker, sum(held_ns) FROM ended_waits WHERE object = '{futex}' GROUP BY waker ORDER BY 2 DESC"
    )
    assert held[0][0].startswith("thread convoy-3 ("), held
    assert {waker.split()[1] for waker, _ns in held} <= {f"convoy-{n}" for n in range(8)}
    assert 1e8 < held[0][1] < 1.3 * said["held"], "each time that somebody waited: at least twice of five"
    assert held[0][1] > 2 * sum(ns for _waker, ns in held[1:])
    ((waits, raw, at_barrier),) = trace.rows(
        "SELECT sum(w.waits), sum(w.held_ns), any_value(e.held_ns) FROM wakeups AS w JOIN ended_waits AS e "
        f"ON e.inode = w.object WHERE w.object BETWEEN {said['barrier']} AND {said['barrier'] + 31}"
    )
    assert waits > 0 and (raw, at_barrier) == (0, None), "each ends waits that the other will end next: no lock"
    ((owned, waited_ns, held_ns),) = trace.rows(
        "SELECT any_value(w.has_owner), sum(e.ns), sum(e.held_ns) FROM wakeups AS w JOIN ended_waits AS e "
        f"ON e.inode = w.object WHERE w.object = {said['mutex']}"
    )
    assert owned and DELAY_NS // 2 < held_ns <= waited_ns, "its only waiter never kept anybody waiting"
    chain = trace.rows(f"SELECT chain FROM report.wait_chains WHERE chain LIKE 'for thread % in lock [{futex}]%'")[0][0]
    assert chain.startswith("for thread convoy-3 (") and chain.endswith("% in sleep"), chain


def test_a_thread_that_happens_to_run_woke_nobody(tmp_path: Path, live_kernel: None) -> None:
    """A spinner shares a CPU with a sleeper: the timer's interrupt comes while the spinner runs."""
    code = """
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
def spin():
    end = time.monotonic() + 0.5
    while time.monotonic() < end: pass
said["spinner"] = in_child(spin)
for _ in range(100): time.sleep(0.002)
os.waitpid(said["spinner"], 0)
"""
    trace, said = record(tmp_path, code)
    assert trace.one("SELECT sum(waits) FROM wakeups WHERE waited_for = 'sleep' AND woken_by = 'timer'") in range(
        90, 101
    )
    woke = trace.rows(f"SELECT waited_for, sum(waits) FROM wakeups WHERE waker_pid = {said['spinner']} GROUP BY ALL")
    assert dict(woke).keys() <= {"child"}, "its parent waits for its end"


def test_the_file_that_was_written_through(tmp_path: Path, live_kernel: None) -> None:
    code = """
f = os.open("journal.log", os.O_CREAT | os.O_WRONLY | os.O_DSYNC, 0o600)
for _ in range(20): os.write(f, bytes(4096))
said |= {"inode": os.fstat(f).st_ino, "device": os.fstat(f).st_dev, "path": os.path.realpath("journal.log")}
g = os.open("other.log", os.O_CREAT | os.O_WRONLY, 0o600)
for _ in range(20): os.write(g, bytes(4096)); os.fsync(g)
"""
    trace, said = record(tmp_path, code)
    rows = dict(trace.rows(
        "SELECT object, sum(waits) FROM wakeups w JOIN "
        "(SELECT pid FROM processes WHERE comm LIKE 'python%') USING (pid) "
        "WHERE waited_for = 'disk' AND object_name IN ('journal.log', 'other.log') GROUP BY object"
    ))  # fmt: skip
    assert rows[said["inode"]] >= 20 and len(rows) == 2
    assert set(trace.rows("SELECT DISTINCT object_device FROM wakeups WHERE object_name = 'journal.log'")) == {
        (said["device"],)
    }
    assert said["path"] in [object_ for (object_,) in trace.rows("SELECT object FROM report.wait_objects")]


def test_a_chain_of_three(tmp_path: Path, live_kernel: None) -> None:
    """A client waits for a server, which waits for a worker, which sleeps."""
    code = """
ask, answer = os.pipe(), os.pipe()
def work():
    libc.prctl(15, b"worker")
    while os.read(ask[0], 1) == b"x": time.sleep(DELAY_S); os.write(answer[1], b"x")
server = socket.create_server(("127.0.0.1", 0))
def serve():
    libc.prctl(15, b"server")
    c = server.accept()[0]
    while c.recv(1): os.write(ask[1], b"x"); os.read(answer[0], 1); c.send(b"x")
    os.write(ask[1], b"-")
said |= {"worker": in_child(work), "server": in_child(serve), "client": os.getpid()}
c = socket.create_connection(server.getsockname())
for _ in range(20): c.send(b"x"); c.recv(1)
c.close()
os.waitpid(said["worker"], 0)
"""
    trace, said = record(tmp_path, code)
    total, chain, hops, ends_in, last = trace.rows(
        f"SELECT total_s, chain, hops, ends_in, last_pid FROM report.wait_chains WHERE pid = {said['client']}"
    )[0]
    assert total >= 20 * DELAY_NS / 1e9
    assert (hops, ends_in, last) == (2, "sleep", said["worker"])
    assert chain.startswith(f"for server ({said['server']}) in network [127.0.0.1:"), chain
    assert f", which waits for worker ({said['worker']}) in pipe [pipe:[" in chain, chain


def test_a_thread_that_waited_before_the_recording(tmp_path: Path, live_kernel: None) -> None:
    """What it waits for is not known then; who wakes it is, also one that is not recorded."""
    r, w = os.pipe()
    waiter = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import os; os.read(0, 1)"], stdin=r)
    time.sleep(0.5)
    with recording(tmp_path / "t.parquet", "--with", "waits", "--pid", str(waiter.pid)) as trace:
        os.write(w, b"x")
        waiter.wait()
    os.close(w)
    os.close(r)
    rows = trace.rows(
        "SELECT waited_for, syscall, object, woken_by, waker_pid, waker_thread FROM wakeups "
        f"WHERE pid = {waiter.pid} AND waited_for = 'pipe'"
    )
    me = Path("/proc/thread-self/comm").read_text().rstrip("\n")
    assert rows == [("pipe", "read", None, "thread", os.getpid(), me)]
