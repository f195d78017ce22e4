"""DNS queries of a process that knows what it asked, in a network namespace of its own."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.live.recording import SYSMON, Trace

pytestmark = pytest.mark.live

DELAY_NS = 40_000_000

CODE = """
import ctypes, json, os, socket, struct, subprocess, time
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x40000000 | 0x20000) == 0
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
open("resolv.conf", "w").write("nameserver 127.0.0.2\\nnameserver 127.0.0.1\\noptions timeout:1 attempts:2\\n")
assert libc.mount(None, b"/", None, 0x44000, None) == 0
assert libc.mount(b"resolv.conf", b"/etc/resolv.conf", None, 4096, None) == 0
open("hosts", "w").close()
assert libc.mount(b"hosts", b"/etc/hosts", None, 4096, None) == 0
open("nsswitch.conf", "w").write("hosts: dns\\n")
assert libc.mount(b"nsswitch.conf", b"/etc/nsswitch.conf", None, 4096, None) == 0

def server(family, address, ready):
    s = socket.socket(family, socket.SOCK_DGRAM); s.bind((address, 53)); os.write(ready, b"x")
    while True:
        asked, peer = s.recvfrom(4096)
        name = asked[12:].lower()
        if b"silent" in name or len(asked) < 17: continue
        if b"slow" in name: time.sleep(%f)
        code, flags, answers = 3 if b"missing" in name else 0, 0x82 if b"long" in name else 0x80, b""
        if b"good" in name and asked[12:].split(b"\\0", 1)[1][:2] == b"\\0\\1":
            answers = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4\\x7f\\0\\0\\1"
        head = asked[:2] + bytes([flags | 1, 0x80 | code]) + b"\\0\\1\\0" + bytes([bool(answers)]) + bytes(4)
        s.sendto(head + asked[12:] + answers, peer)
r, w = os.pipe()
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); silent.bind(("127.0.0.2", 53))
servers = []
for family, address in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"):
    servers.append(os.fork())
    if not servers[-1]: server(family, address, w)
    os.read(r, 1)

def query(number, name, kind=1):
    labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\\0" if isinstance(name, str) else name
    return struct.pack("!6H", number, 0x100, 1, 0, 0, 0) + labels + struct.pack("!2H", kind, 1)
def connected(address="127.0.0.1"):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((address, 53)); s.settimeout(30)
    return s

said = {"client": os.getpid()}
s = connected(); s.send(query(1, "Sent.Example.COM")); s.recv(512)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(query(2, "sendto.example"), ("127.0.0.1", 53)); s.recvfrom(512)
s.sendmsg([query(3, "sendmsg.example", 28)], [], 0, ("127.0.0.1", 53)); s.recvmsg(512)
s = connected(); os.write(s.fileno(), query(4, "written.example")); s.setblocking(True); os.read(s.fileno(), 512)
s = connected("::1"); s.send(query(5, "six.example")); s.recv(512)
s = connected(); begin = time.monotonic_ns(); s.send(query(6, "slow.example")); s.recv(512)
said["slow"] = time.monotonic_ns() - begin
s = connected(); s.send(query(7, "silent.example")); s.send(query(7, "silent.example"))
s = connected(); s.send(query(8, "missing.example")); s.recv(512)
s = connected(); s.send(query(9, "long.example", 16)); s.recv(512)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for to in "127.0.0.2", "127.0.0.1": s.sendto(query(10, "both.example"), (to, 53))
s.recvfrom(512)
s = connected(); s.send(query(11, "peeked.example")); s.recv(512, socket.MSG_PEEK); s.recv(512)
s = connected(); s.send(query(12, b"\\4a.\\\\ \\3\\xff\\0z\\0")); s.recv(512)
s = connected(); s.send(query(13, b"\\0", 2)); s.recv(512)
s = connected(); s.send(query(14, (b"\\x3f" + b"L" * 63) * 3 + b"\\x3d" + b"m" * 61 + b"\\0")); s.recv(512)
s = connected("127.0.0.2")
hostile = [
    query(20, b"\\xc0\\x0c"), query(21, b"\\1a\\xc0\\x0c"), query(22, b"\\x40" + b"a" * 64 + b"\\0"),
    query(23, (b"\\x3f" + b"a" * 63) * 4 + b"\\0"), query(24, b"\\5ab"), query(25, "cut.example")[:-1],
    query(26, b"\\1a" * 200 + b"\\0"), query(27, "none.example")[:12],
]
said["hostile"] = len(hostile)
for h in hostile: s.send(h)
s.send(b""); s.send(b"short"); s.send(query(28, "an.answer")[:2] + b"\\x80" + query(28, "an.answer")[3:])
said["found"] = sorted({a[4][0] for a in socket.getaddrinfo("Good.Example.", 80, socket.AF_UNSPEC, socket.SOCK_STREAM)})
json.dump(said, open("said", "w"))
for pid in servers: os.kill(pid, 9); os.waitpid(pid, 0)
""" % (DELAY_NS / 1e9)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, live_kernel: None) -> tuple[Trace, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("dns")
    path = folder / "t.parquet"
    (folder / "client.py").write_text(CODE)
    done = subprocess.run(
        [SYSMON, "record", "-o", path, "--", sys.executable, "-I", "-S", "client.py"],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trace = Trace(path, done.stderr, done.returncode)
    trace.assert_nothing_lost()
    return trace, json.loads((folder / "said").read_text())


A, NS, TXT, AAAA = 1, 2, 16, 28
LONG = ".".join(["l" * 63] * 3 + ["m" * 61])

ASKED = {
    "sent.example.com": (A, "127.0.0.1", 1, "NOERROR", 1),
    "sendto.example": (A, "127.0.0.1", 1, "NOERROR", 1),
    "sendmsg.example": (AAAA, "127.0.0.1", 1, "NOERROR", 1),
    "written.example": (A, "127.0.0.1", 1, "NOERROR", 1),
    "six.example": (A, "::1", 1, "NOERROR", 1),
    "slow.example": (A, "127.0.0.1", 1, "NOERROR", 1),
    "silent.example": (A, "127.0.0.1", 2, None, 0),
    "missing.example": (A, "127.0.0.1", 1, "NXDOMAIN", 1),
    "long.example": (TXT, "127.0.0.1", 1, "NOERROR", 1),
    "peeked.example": (A, "127.0.0.1", 1, "NOERROR", 1),
    r"a\.\\\032.\255\000z": (A, "127.0.0.1", 1, "NOERROR", 1),
    ".": (NS, "127.0.0.1", 1, "NOERROR", 1),
    LONG: (A, "127.0.0.1", 1, "NOERROR", 1),
}


@pytest.mark.parametrize("domain", ASKED)
def test_what_was_asked_and_answered(known: tuple[Trace, dict[str, Any]], domain: str) -> None:
    trace, said = known
    rows = trace.rows(
        "SELECT record_type, remote_address, sum(queries), max(answer), sum(answers), sum(truncated_answers) FROM dns "
        f"WHERE pid = {said['client']} AND domain = '{domain}' GROUP BY ALL"
    )
    assert rows == [(*ASKED[domain], domain == "long.example")]


def test_an_answer_takes_as_long_as_its_process_waits(known: tuple[Trace, dict[str, Any]]) -> None:
    trace, said = known
    ns, longest = trace.rows("SELECT sum(answer_ns), max(max_answer_ns) FROM dns WHERE domain = 'slow.example'")[0]
    assert ns == longest
    assert DELAY_NS <= ns <= said["slow"]


def test_a_query_to_two_servers(known: tuple[Trace, dict[str, Any]]) -> None:
    trace, _said = known
    rows = trace.rows(
        "SELECT remote_address, sum(queries), sum(answers) FROM dns "
        "WHERE domain = 'both.example' GROUP BY ALL ORDER BY 1"
    )
    assert rows == [("127.0.0.1", 1, 1), ("127.0.0.2", 1, 0)]


def test_the_c_library_asks_for_both_kinds_and_then_the_next_server(known: tuple[Trace, dict[str, Any]]) -> None:
    trace, said = known
    assert said["found"] == ["127.0.0.1"]
    rows = trace.rows(
        "SELECT remote_address, record_type, sum(queries), sum(answers) FROM dns "
        "WHERE domain = 'good.example' GROUP BY ALL ORDER BY ALL"
    )
    assert rows == [
        ("127.0.0.1", A, 1, 1), ("127.0.0.1", AAAA, 1, 1), ("127.0.0.2", A, 1, 0), ("127.0.0.2", AAAA, 1, 0),
    ]  # fmt: skip


def test_queries_that_cannot_be_read(known: tuple[Trace, dict[str, Any]]) -> None:
    trace, said = known
    rows = trace.rows(
        "SELECT domain, record_type, sum(queries) FROM dns WHERE remote_address = '127.0.0.2' "
        "AND domain NOT IN ('both.example', 'good.example') IS NOT FALSE GROUP BY ALL"
    )
    assert rows == [(None, None, said["hostile"])]


def test_the_report(known: tuple[Trace, dict[str, Any]]) -> None:
    trace, said = known
    found = trace.opened.report("dns", pid=said["client"]).df().set_index("domain")
    assert found.loc["slow.example"]["max_ms"] >= DELAY_NS / 1e6
    assert found.loc["silent.example"][["queries", "answers", "unanswered"]].tolist() == [2, 0, 2]
    assert found.loc["missing.example"]["outcome"] == "NXDOMAIN"
