"""Reads and writes by file, pipe and socket, compared with what a program did."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.live.recording import SYSMON, Trace, python, recording

pytestmark = pytest.mark.live

PRELUDE = """
import ctypes, ctypes.util, json, os, select, socket, struct, sys, threading, time
said = {"pid": os.getpid()}
libc = ctypes.CDLL(None, use_errno=True)
def in_child(what):
    pid = os.fork()
    if not pid:
        what()
        os._exit(0)
    return pid
def reaped(pid): assert os.waitpid(pid, 0)[1] == 0
"""

WORK = """
source = os.open("source", os.O_RDWR | os.O_CREAT); os.write(source, bytes(100_000))
journal = os.open("journal.log", os.O_RDWR | os.O_CREAT | os.O_SYNC)
other, total = os.dup(journal), 0
for n in range(1, 31): total += os.write(journal if n % 2 else other, b"w" * n * 100)
total += os.writev(journal, [b"a" * 11, b"b" * 13])
total += os.pwrite(journal, b"c" * 17, 5)
total += os.pwritev(journal, [b"d" * 19], 5, os.RWF_DSYNC)
total += os.sendfile(journal, source, 0, 1009)
r, w = os.pipe(); os.write(w, b"e" * 2003); total += os.splice(r, journal, 2003)
total += os.copy_file_range(source, journal, 3001, 0)
said["journal"] = total; said["size"] = os.fstat(journal).st_size
os.fsync(journal); os.fdatasync(other)

shared = os.open("shared", os.O_RDWR | os.O_CREAT | os.O_APPEND)
said["sharer"] = in_child(lambda: os.write(shared, b"f" * 23)); reaped(said["sharer"])
os.write(shared, b"g" * 29)

moved = os.open("before", os.O_RDWR | os.O_CREAT); os.write(moved, b"h" * 7)
os.rename("before", "after"); said["moved"] = 7
until = time.monotonic() + 1.5
while time.monotonic() < until: said["moved"] += os.write(moved, b"h" * 7); time.sleep(0.02)

gone = os.open("gone", os.O_RDWR | os.O_CREAT); os.unlink("gone"); os.write(gone, b"i" * 31)
memory = os.memfd_create("scratch pad"); os.write(memory, b"j" * 37)
bad = os.open(b"not-\\xff-utf8", os.O_RDWR | os.O_CREAT); os.write(bad, b"k" * 41)

for _ in range(15): os.mkdir("d" * 240); os.chdir("d" * 240)
while len(os.getcwd()) + 100 < 4095: os.mkdir("e" * 60); os.chdir("e" * 60)
deep = os.open("f" * (4094 - len(os.getcwd())), os.O_RDWR | os.O_CREAT); os.write(deep, b"l" * 43)
said["deep"] = os.readlink(f"/proc/self/fd/{deep}"); os.chdir("/")

together = os.open("/dev/null", os.O_WRONLY)
threads = [threading.Thread(target=lambda: [os.write(together, b"m") for _ in range(500)]) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
try: os.write(9999, b"x")
except OSError: pass

left, right = socket.socketpair(); said["pair"] = [os.fstat(left.fileno()).st_ino, os.fstat(right.fileno()).st_ino]
def echo():
    left.close()
    for _ in range(3): right.send(right.recv(100) * 2)
said["echo"] = in_child(echo); right.close()
for _ in range(3): left.send(b"n" * 5); left.recv(100)
reaped(said["echo"])

r, w = os.pipe(); said["pipe"] = os.fstat(r).st_ino
said["writer"] = in_child(lambda: (os.close(r), [os.write(w, b"o" * 47) for _ in range(3)])); os.close(w)
while os.read(r, 1000): pass
reaped(said["writer"])

def serve(server):
    def answer():
        c = server.accept()[0]
        while got := c.recv(100): c.send(got * 3)
    return in_child(answer)
os.chdir(sys.argv[1])
for which, address in ("unix", "named.sock"), ("hidden", "\\0hidden" + str(os.getpid())):
    server = socket.socket(socket.AF_UNIX); server.bind(address); server.listen(); said[which] = serve(server)
    c = socket.socket(socket.AF_UNIX); c.connect(address); c.send(b"q" * 10); c.recv(100); c.close()
    reaped(said[which])

mapped = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True); said["mapped"] = serve(mapped)
port = mapped.getsockname()[1]
c = socket.create_connection(("127.0.0.1", port)); said["tcp"] = [port, c.getsockname()[1]]
for _ in range(3): c.send(b"r" * 20); c.recv(100)
c.close(); reaped(said["mapped"])

one, two, three = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3))
for s in (two, three): s.bind(("127.0.0.1", 0))
said["udp"] = [two.getsockname()[1], three.getsockname()[1]]
one.sendto(b"s" * 6, two.getsockname()); one.sendmsg([b"t" * 7], [], 0, three.getsockname())
for s in (two, three): got, ancillary, flags, address = s.recvmsg(100)
said["udp"].append(address[1])
two.sendto(b"u" * 8, address); three.sendto(b"v" * 9, address); one.recvfrom(100); one.recvfrom(100)
one.connect(two.getsockname()); os.write(one.fileno(), b"w" * 10); two.recv(100)

def clone(flags):
    pid = libc.syscall(56, flags | 17, 0, 0, 0, 0)
    assert pid >= 0
    return pid
pid = clone(0x400)  # CLONE_FILES: the parent sees what the child opens
if not pid:
    f = os.open("by-clone", os.O_RDWR | os.O_CREAT); os.dup2(f, 777); os.write(f, b"x" * 53); os._exit(0)
reaped(pid); said["clone"] = pid
os.write(777, b"y" * 59)
os.posix_spawn("/bin/sh", ["sh", "-c", "printf 12345678901 > by-vfork"], os.environ); os.wait()

ring = libc.syscall(425, 4, ctypes.create_string_buffer(120))
said["io_uring"] = ring >= 0
if ring >= 0: libc.syscall(426, ring, 0, 0, 0, 0, 0)
counter = libc.eventfd(0, 0); os.write(counter, struct.pack("Q", 1)); os.read(counter, 8)
json.dump(said, open("said", "w"))
"""

OPEN_BEFORE = """
import os, sys
f = os.open("open-before", os.O_RDWR | os.O_CREAT)
print(flush=True)
input()
os.write(f, b"z" * 61)
"""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, live_kernel: None) -> tuple[Trace, Any, Path]:
    """A recording of programs that say what they did, and the directory in which they did."""
    folder = tmp_path_factory.mktemp("objects")
    (folder / "script.py").write_text(PRELUDE + WORK)
    before = python(OPEN_BEFORE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
    assert before.stdin and before.stdout and before.stdout.readline()
    with recording(folder / "t.parquet", "--with", "objects", "--interval", "0.2") as trace:
        command = [sys.executable, "-I", "-S", "script.py", str(folder)]
        subprocess.run(command, cwd=folder, check=True, timeout=120)
        before.stdin.write("\n")
        before.stdin.close()
        assert before.wait(60) == 0
        before.stdout.close()
    trace.assert_nothing_lost()
    said = json.loads((folder / "said").read_text()) | {"before": before.pid}
    return trace, said, Path(os.path.realpath(folder))


def of_file(known: tuple[Trace, Any, Path], path: str, columns: str) -> list[tuple[Any, ...]]:
    trace, _said, folder = known
    return trace.rows(f"SELECT {columns} FROM report.file_io WHERE file = '{folder / path}' ORDER BY pid")


def test_the_file_that_is_written_through_comes_first(known: tuple[Trace, Any, Path]) -> None:
    trace, said, folder = known
    first = trace.rows(
        f"SELECT file, writes, written_bytes, syncs FROM report.file_io WHERE pid = {said['pid']} LIMIT 1"
    )
    assert first == [(str(folder / "journal.log"), 36, said["journal"], 2)]
    ways = dict(trace.rows(
        "SELECT syscall, bytes FROM (SELECT syscall, CAST(sum(bytes) AS BIGINT) AS bytes FROM described_io "
        f"WHERE path = '{folder / 'journal.log'}' AND way = 'write' GROUP BY ALL)"
    ))  # fmt: skip
    sums = {"write": 46500, "writev": 24, "pwrite64": 17, "pwritev2": 19, "sendfile": 1009, "splice": 2003}
    assert ways == sums | {"copy_file_range": 3001}


def test_what_a_copy_reads_is_counted_too(known: tuple[Trace, Any, Path]) -> None:
    assert of_file(known, "source", "writes, written_bytes, reads, read_bytes") == [(1, 100_000, 2, 1009 + 3001)]


def test_two_processes_on_one_file(known: tuple[Trace, Any, Path]) -> None:
    said = known[1]
    assert of_file(known, "shared", "pid, written_bytes") == sorted([(said["pid"], 29), (said["sharer"], 23)])


def test_a_file_that_is_renamed(known: tuple[Trace, Any, Path]) -> None:
    """It has the name that it had at its first call in each interval."""
    ((before,),) = of_file(known, "before", "written_bytes")
    ((after,),) = of_file(known, "after", "written_bytes")
    assert before + after == known[1]["moved"]


@pytest.mark.parametrize(
    ("path", "sum_of"),
    [("gone (deleted)", 31), ("not-\\xff-utf8", 41), ("by-vfork", 11), ("open-before", 61)],
)
def test_files_by_name(known: tuple[Trace, Any, Path], path: str, sum_of: int) -> None:
    assert of_file(known, path, "written_bytes") == [(sum_of,)]


def test_a_memory_file_and_a_long_path(known: tuple[Trace, Any, Path]) -> None:
    trace, said, _folder = known
    query = "SELECT written_bytes FROM report.file_io WHERE file = '{}'"
    assert trace.rows(query.format("memfd:scratch pad")) == [(37,)]
    assert len(said["deep"]) == 4095 and trace.rows(query.format(said["deep"])) == [(43,)]


def test_bytes_of_a_name_that_is_no_text(known: tuple[Trace, Any, Path]) -> None:
    trace, _said, folder = known
    found = trace.rows("SELECT DISTINCT object_path_bytes FROM object_names WHERE object_path_bytes IS NOT NULL")
    assert (os.fsencode(folder) + b"/not-\xff-utf8",) in found


def test_threads_share_descriptors(known: tuple[Trace, Any, Path]) -> None:
    trace, said, _folder = known
    rows = trace.rows(
        "SELECT writes, written_bytes, object_type FROM report.file_io "
        f"WHERE file = '/dev/null' AND pid = {said['pid']}"
    )
    assert rows == [(2000, 2000, "device")]


def test_processes_share_descriptors(known: tuple[Trace, Any, Path]) -> None:
    """With CLONE_FILES: one opens it, the other writes to it."""
    said = known[1]
    assert of_file(known, "by-clone", "pid, written_bytes") == sorted([(said["pid"], 59), (said["clone"], 53)])


def test_a_descriptor_that_is_not_open(known: tuple[Trace, Any, Path]) -> None:
    trace, said, _folder = known
    rows = trace.rows(
        "SELECT syscall, calls, errors, object FROM described_io "
        f"WHERE object_type IS NULL AND pid = {said['pid']} AND syscall = 'write'"
    )
    assert rows == [("write", 1, 1, None)]


def test_a_pipe_and_who_writes_to_it(known: tuple[Trace, Any, Path]) -> None:
    trace, said, _folder = known
    columns = "pid, kind, connection, received_bytes, sends, sent_bytes, regexp_extract(peer, '.*\\((\\d+)\\)', 1)"
    rows = trace.rows(f"SELECT {columns} FROM report.connection_io WHERE inode = {said['pipe']} ORDER BY pid")
    name = f"pipe:[{said['pipe']}]"
    assert rows == sorted([
        (said["pid"], "pipe", name, 141, None, None, str(said["writer"])),
        (said["writer"], "pipe", name, None, 3, 141, str(said["pid"])),
    ])  # fmt: skip


UNIX = "SELECT pid, sent_bytes, received_bytes, regexp_extract(peer, '.*\\((\\d+)\\)', 1) FROM report.connection_io"


def test_a_socket_pair(known: tuple[Trace, Any, Path]) -> None:
    trace, said, _folder = known
    rows = trace.rows(f"{UNIX} WHERE inode IN ({said['pair'][0]}, {said['pair'][1]})")
    assert sorted(rows) == sorted([(said["pid"], 15, 30, str(said["echo"])), (said["echo"], 30, 15, str(said["pid"]))])


@pytest.mark.parametrize(("name", "server"), [("named.sock", "unix"), ("@hidden{pid}", "hidden")])
def test_unix_sockets_by_name(known: tuple[Trace, Any, Path], name: str, server: str) -> None:
    trace, said, _folder = known
    rows = trace.rows(f"{UNIX} WHERE connection = 'unix {name.format(pid=said['pid'])}'")
    assert sorted(rows) == sorted([(said["pid"], 10, 30, str(said[server])), (said[server], 30, 10, str(said["pid"]))])


def test_ipv4_on_a_socket_of_ipv6(known: tuple[Trace, Any, Path]) -> None:
    trace, said, _folder = known
    server, client = said["tcp"]
    columns = "pid, kind, connection, local_port, sent_bytes, received_bytes, regexp_extract(peer, '.*\\((\\d+)\\)', 1)"
    rows = trace.rows(
        f"SELECT {columns} FROM report.connection_io WHERE local_port IN ({server}, {client}) AND kind = 'tcp'"
    )
    assert sorted(rows) == sorted([
        (said["pid"], "tcp", f"127.0.0.1:{server}", client, 60, 180, str(said["mapped"])),
        (said["mapped"], "tcp", f"[::ffff:127.0.0.1]:{client}", server, 180, 60, str(said["pid"])),
    ])  # fmt: skip


def test_datagrams_by_peer(known: tuple[Trace, Any, Path]) -> None:
    """On a socket that is not connected each has its own, but for a receiver who does not ask for it."""
    trace, said, _folder = known
    two, three, one = said["udp"]
    rows = trace.rows(
        "SELECT local_port, connection, sends, sent_bytes, receives, received_bytes FROM report.connection_io "
        f"WHERE kind = 'udp' AND pid = {said['pid']} ORDER BY connection, local_port"
    )
    assert sorted(rows, key=str) == sorted([
        (one, f"127.0.0.1:{two}", 2, 16, 1, 8),
        (one, f"127.0.0.1:{three}", 1, 7, 1, 9),
        (two, f"127.0.0.1:{one}", 1, 8, 1, 6),
        (two, f"port {two}", None, None, 1, 10),
        (three, f"127.0.0.1:{one}", 1, 9, 1, 7),
    ], key=str)  # fmt: skip


def test_anonymous_files_have_their_type(known: tuple[Trace, Any, Path]) -> None:
    trace, said, _folder = known
    rows = trace.rows(
        f"SELECT DISTINCT way, object, bytes FROM described_io WHERE object_type = 'eventfd' AND pid = {said['pid']}"
    )
    assert sorted(rows) == [("read", "[eventfd]", 8), ("write", "[eventfd]", 8)]


def test_io_uring_is_said_to_be_missing(known: tuple[Trace, Any, Path]) -> None:
    trace, said, _folder = known
    if not said["io_uring"]:
        pytest.skip("io_uring is disabled on this machine")
    rows = trace.rows(
        f"SELECT file, reads, total_s FROM report.file_io WHERE object_type = 'io_uring' AND pid = {said['pid']}"
    )
    assert rows == [("(not measured: 1 calls of io_uring_enter)", None, None)]


def test_directories_add_up(known: tuple[Trace, Any, Path]) -> None:
    trace, _said, folder = known
    below = trace.rows(
        "SELECT CAST(sum(written_bytes) AS BIGINT), CAST(sum(syncs) AS BIGINT), count(DISTINCT file) "
        f"FROM report.file_io WHERE starts_with(file, '{folder}/') AND object_type <> 'device'"
    )
    found = trace.rows(f"SELECT written_bytes, syncs, files FROM report.directory_io WHERE directory = '{folder}'")
    assert found == below


def test_sums_are_those_of_the_system_calls(known: tuple[Trace, Any, Path]) -> None:
    """Of all processes on the machine, exactly: calls, errors, bytes and time of each call, but of copies, which count
    twice.
    """
    trace, _said, _folder = known
    sums = "pid, start, syscall, sum(calls), sum(errors), sum(bytes), sum(total_ns), sum(blocked_ns)"
    chosen = (
        "(SELECT DISTINCT syscall FROM object_io EXCEPT FROM (VALUES ('sendfile'), ('splice'), ('copy_file_range')))"
    )
    ours, theirs = (
        f"SELECT {sums} FROM {view} WHERE syscall IN {chosen} GROUP BY ALL" for view in ("object_io", "syscall_stats")
    )
    assert trace.one(f"SELECT count(*) FROM ({ours})") > 10
    assert trace.rows(f"({ours} EXCEPT ALL {theirs}) UNION ALL ({theirs} EXCEPT ALL {ours})") == []


CALLS = """
f = os.open("named.log", os.O_RDWR | os.O_CREAT); os.write(f, b"abc"); os.fsync(f); os.rename("named.log", "other.log")
r, w = os.pipe(); said["pipe"] = os.fstat(r).st_ino; os.write(w, b"1"); os.dup2(w, 500); os.write(500, b"2")
e = select.epoll(); e.register(r, select.EPOLLIN); e.poll()
s = socket.create_server(("127.0.0.1", 0)); said["port"] = s.getsockname()[1]
c = socket.create_connection(s.getsockname()); said["local"] = c.getsockname()[1]
a = s.accept()[0]; c.send(b"hello"); a.recv(5)
said |= {"f": f, "r": r, "w": w, "e": e.fileno(), "s": s.fileno(), "c": c.fileno(), "a": a.fileno()}
fd = os.open("other.log", os.O_RDONLY); os.sendfile(w, fd, 0, 3); os.close(fd)
try: os.read(12345, 1)
except OSError: pass
json.dump(said, open("said", "w"))
"""


def test_rows_of_system_calls_say_what_their_descriptors_are(tmp_path: Path, live_kernel: None) -> None:
    """As strace -y shows it."""
    (tmp_path / "script.py").write_text(PRELUDE + CALLS)
    command = [SYSMON, "record", "--syscalls", "-o", "t.parquet", "--", sys.executable, "-I", "-S", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    assert "not recorded" not in done.stderr
    dumped = subprocess.run(
        [SYSMON, "dump", "t.parquet", "--kind", "syscall"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    said = json.loads((tmp_path / "said").read_text())
    here, pipe, port, local = os.path.realpath(tmp_path), said["pipe"], said["port"], said["local"]
    for part in (
        f'"named.log", O_RDWR|O_CREAT|O_CLOEXEC, 0777) = {said["f"]}<{here}/named.log>',
        f"write({said['f']}<{here}/named.log>, ",
        f"fsync({said['f']}<{here}/named.log>)",
        f"write({said['w']}<pipe:[{pipe}]>, ",
        f"({said['w']}<pipe:[{pipe}]>, 500<pipe:[{pipe}]>",
        f"write(500<pipe:[{pipe}]>, ",
        f"= {said['e']}<[epoll]>",
        f"epoll_ctl({said['e']}<[epoll]>, EPOLL_CTL_ADD, {said['r']}<pipe:[{pipe}]>, ",
        f"connect({said['c']}<127.0.0.1:{port}>, ",
        f"accept4({said['s']}<port {port}>, ",
        f"= {said['a']}<127.0.0.1:{local}>",
        f"sendto({said['c']}<127.0.0.1:{port}>, ",
        f"recvfrom({said['a']}<127.0.0.1:{local}>, ",
        "read(12345, ",
    ):
        assert part in dumped, f"{part}\n{dumped[-4000:]}"
    assert f"sendfile({said['w']}<pipe:[{pipe}]>, {said['a'] + 1}<{here}/" in dumped
    assert f"close({said['a'] + 1}<{here}/" in dumped


POLLS = """
pipes = [os.pipe() for _ in range(20)]; said["pipes"] = [os.fstat(r).st_ino for r, w in pipes]
def late(fd): threading.Timer(0.2, lambda: os.write(fd, b"x")).start()
e = select.epoll(); said["epoll"] = e.fileno()
for r, w in pipes[:3]: e.register(r, select.EPOLLIN | select.EPOLLET)
late(pipes[1][1]); e.poll()
e.register(pipes[4][0], select.EPOLLOUT); e.unregister(pipes[0][0])
late(pipes[2][1]); e.poll()
p = select.poll()
for r, w in pipes: p.register(r, select.POLLIN)
os.read(pipes[1][0], 1); os.read(pipes[2][0], 1)
late(pipes[19][1]); p.poll(); os.close(pipes[3][0]); p.register(pipes[0][0], select.POLLPRI); p.poll()
class pollfd(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]
libc.poll((pollfd * 2)(pollfd(-1, 1, 0), pollfd(pipes[5][1], 4, 0)), 2, 100)
json.dump(said, open("said", "w"))
"""


@pytest.fixture(scope="module")
def polls(tmp_path_factory: pytest.TempPathFactory, live_kernel: None) -> tuple[Trace, Any]:
    folder = tmp_path_factory.mktemp("polls")
    (folder / "script.py").write_text(PRELUDE + POLLS)
    command = [SYSMON, "record", "--with", "waits", "-o", "t.parquet", "--", sys.executable, "-I", "-S", "script.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    trace = Trace(folder / "t.parquet", done.stderr, done.returncode)
    trace.assert_nothing_lost()
    return trace, json.loads((folder / "said").read_text())


def sets(polls: tuple[Trace, Any], syscall: str) -> list[set[tuple[int, int]]]:
    """Each set that was recorded: its pipes, by their number, and events."""
    trace, said = polls
    found: dict[Any, set[tuple[int, int]]] = {}
    for ts, inode, events in trace.rows(
        f"SELECT ts, object, polled_events FROM polled WHERE syscall = '{syscall}' AND pid = {said['pid']} ORDER BY ts"
    ):
        found.setdefault(ts, set()).add((said["pipes"].index(inode) if inode else -1, events))
    return list(found.values())


def test_what_an_epoll_watches(polls: tuple[Trace, Any]) -> None:
    """Again when it has changed."""
    edge = 1 << 31 | 1
    first = {(n, edge | 0x18) for n in range(3)}  # the kernel adds EPOLLERR and EPOLLHUP
    changed = {(1, edge | 0x18), (2, edge | 0x18), (4, 4 | 0x18)}
    assert sets(polls, "epoll_wait") == [first, changed]
    trace, said = polls
    assert trace.one("SELECT DISTINCT epoll_fd FROM polled WHERE syscall = 'epoll_wait'") == said["epoll"]


def test_what_a_poll_watches(polls: tuple[Trace, Any]) -> None:
    """At most 16 of a set; -1 is a descriptor that was closed. Negative ones are left out, as poll does."""
    many, changed, one = sets(polls, "poll")
    assert many == {(n, 1) for n in range(16)}
    assert changed == {(0, 2), (-1, 1)} | many - {(0, 1), (3, 1)}
    assert one == {(5, 4)}


def test_a_wait_says_what_was_polled(polls: tuple[Trace, Any]) -> None:
    trace, said = polls
    rows = dict(trace.rows(
        "SELECT syscall, ANY_VALUE(object) FROM ended_waits "
        f"WHERE waited_for = 'poll' AND pid = {said['pid']} GROUP BY ALL"
    ))  # fmt: skip
    first = ", ".join(sorted(f"pipe:[{said['pipes'][n]}]" for n in (0, 1, 2, 4))[:3])
    assert rows["epoll_wait"] == f"{first} and 1 more"
    assert rows["poll"].endswith(" and 13 more")
