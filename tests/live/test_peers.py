"""Datagrams by peer, compared with the senders' own counts and with the kernel's counters."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sysmon.recorder.load.btf import Btf
from tests.live import recording
from tests.live.recording import Trace, record_command, wait_for

pytestmark = pytest.mark.live

PRELUDE = """
import ctypes, json, os, socket, struct, sys
said = []
DGRAM = socket.SOCK_DGRAM
def udp(family=socket.AF_INET, host="127.0.0.1", port=0):
    s = socket.socket(family, DGRAM); s.bind((host, port)); return s
def attempt(call, *args):
    try: return call(*args)
    except OSError as error: return error.errno
libc = ctypes.CDLL(None, use_errno=True)
class Piece(ctypes.Structure): _fields_ = [("at", ctypes.c_void_p), ("length", ctypes.c_size_t)]
class Message(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("pieces", ctypes.c_void_p),
                ("count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_int), ("pad", ctypes.c_int), ("length", ctypes.c_uint32)]
def vector(names, texts):
    messages = (Message * len(texts))()
    keep = []
    for m, name, text in zip(messages, names, texts):
        buffer = ctypes.create_string_buffer(text, len(text))
        piece = Piece(ctypes.addressof(buffer), len(text))
        m.pieces, m.count = ctypes.addressof(piece), 1
        if name is not None:
            to = ctypes.create_string_buffer(name, len(name))
            m.name, m.name_length = ctypes.addressof(to), len(name)
            keep.append(to)
        keep += [buffer, piece]
    return messages, keep
def inet(s):
    host, port = s.getsockname()
    return struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + socket.inet_aton(host) + bytes(8)
"""

COUNTS = "sum(datagrams_sent), sum(datagram_bytes_sent), sum(datagrams_received), sum(datagram_bytes_received), "
SEEN_AT_THE_SOCKET = Btf.of_kernel().tracepoint_args("sock_send_length") is not None
"""Whether this kernel reports what a socket sends and receives by any call (6.3)."""


def record(tmp_path: Path, code: str) -> tuple[Trace, Any]:
    """Records Python code in a directory of its own. Also returns what it put into `said`."""
    code = f"{PRELUDE}{code}\njson.dump(said, open('said', 'w'))"
    trace = record_command(tmp_path / "t.parquet", sys.executable, "-I", "-S", "-c", code, cwd=tmp_path)
    assert trace.status == 0, trace.output
    trace.assert_nothing_lost()
    return trace, json.loads((tmp_path / "said").read_text())


def peers(trace: Trace, where: str = "true") -> dict[tuple[Any, ...], tuple[int, ...]]:
    """Address and port → datagrams and bytes sent, datagrams and bytes received, errors."""
    rows = trace.rows(
        f"SELECT remote_address, remote_port, {COUNTS} sum(datagram_errors) FROM peers WHERE {where} GROUP BY ALL"
    )
    return {r[:2]: r[2:] for r in rows}


def test_a_server_with_many_clients(tmp_path: Path) -> None:
    code = """
server = udp()
for i in range(13):
    client = socket.socket(socket.AF_INET, DGRAM)
    for j in range(i + 1):
        client.sendto(b"x" * (j + 1), server.getsockname())
        _text, peer = server.recvfrom(100)
        server.sendto(b"answer", peer); client.recv(100)
    said.append([peer[1], i + 1])
    client.close()
said.append(server.getsockname()[1])
"""
    trace, (*clients, port) = record(tmp_path, code)
    found = peers(trace, "family = 'AF_INET' AND socket_type = 'SOCK_DGRAM' AND protocol = 17")
    # The server: what each client sent, 1 + 2 + … + n bytes, and a reply of 6 bytes to each.
    expected: dict[tuple[Any, ...], tuple[int, ...]] = {}
    for peer, n in clients:
        expected["127.0.0.1", peer] = (n, 6 * n, n, n * (n + 1) // 2, 0)
    sent = sum(n for _peer, n in clients)
    expected["127.0.0.1", port] = (sent, sum(n * (n + 1) // 2 for _peer, n in clients), 0, 0, 0)
    answers = found.pop((None, None))
    assert found == expected
    assert answers == (0, 0, sent, 6 * sent, 0)  # recv does not ask for the peer
    shown = trace.opened.report("peers").fetchall()
    assert (sent, 0) in [(r[7], r[9]) for r in shown if r[6] == port]


@pytest.mark.parametrize(("family", "host"), [("AF_INET", "127.0.0.1"), ("AF_INET6", "::1")])
@pytest.mark.skipif(not SEEN_AT_THE_SOCKET, reason="before Linux 6.3 no read or write tells a datagram")
def test_connected_sockets_by_any_call(tmp_path: Path, family: str, host: str) -> None:
    code = f"""
one, other = udp(socket.{family}, {host!r}), udp(socket.{family}, {host!r})
one.connect(other.getsockname()); other.connect(one.getsockname())
said += [one.getpeername()[1], other.getpeername()[1]]
for _ in range(101):
    os.write(one.fileno(), b"abc"); os.read(other.fileno(), 100)
for _ in range(11):
    os.writev(one.fileno(), [b"ab", b"cde"]); os.readv(other.fileno(), [bytearray(3), bytearray(30)])
    one.send(b"1234567"); other.recv(100)
    one.sendmsg([b"12"]); other.recvmsg(100)
    one.sendto(b"4444", other.getsockname()); other.recvfrom(100)
"""
    trace, (to, back) = record(tmp_path, code)
    bytes_ = 101 * 3 + 11 * (5 + 7 + 2 + 4)
    assert peers(trace, f"family = '{family}'") == {
        (host, to): (145, bytes_, 0, 0, 0),
        (host, back): (0, 0, 145, bytes_, 0),
    }


def test_vectors_of_messages(tmp_path: Path) -> None:
    """The messages of one call may have several peers; above 264 messages the peers are not recorded."""
    code = """
MOST = 264
servers = [udp() for _ in range(3)]
for s in servers: s.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)  # SO_RCVBUFFORCE
client = udp()
for n in (1, 31, 32, 33, 101, MOST):
    messages, keep = vector([inet(servers[i % 3]) for i in range(n)], [b"y" * (i % 7) for i in range(n)])
    assert libc.sendmmsg(client.fileno(), messages, n, 0) == n
    for s in servers:
        names = [bytes(28)] * MOST
        messages, keep = vector(names, [bytes(64)] * MOST)
        said.append([s.getsockname()[1], libc.recvmmsg(s.fileno(), messages, MOST, 64, None)])  # MSG_DONTWAIT
said.append(client.getsockname()[1])
"""
    trace, (*received, client) = record(tmp_path, code)
    sizes = (1, 31, 32, 33, 101, 264)
    expected = {}
    for place, port in enumerate(dict.fromkeys(port for port, _n in received)):
        mine = [i for n in sizes for i in range(n) if i % 3 == place]
        expected["127.0.0.1", port] = (len(mine), sum(i % 7 for i in mine), 0, 0, 0)
        assert sum(max(n, 0) for p, n in received if p == port) == len(mine)
    total = sum(sizes)
    expected["127.0.0.1", client] = (0, 0, total, sum(i % 7 for n in sizes for i in range(n)), 0)
    assert peers(trace, "family = 'AF_INET'") == expected


def test_longer_vectors_are_counted_too(tmp_path: Path) -> None:
    """1,024 is the maximum: to two peers, and on a connected socket, whose peer is known for all."""
    code = """
MOST = 1024
servers = [udp() for _ in range(2)]
for s in servers: s.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)  # SO_RCVBUFFORCE
free, bound = udp(), udp()
messages, keep = vector([inet(servers[i % 2]) for i in range(MOST)], [b"y" * (i % 7) for i in range(MOST)])
assert libc.sendmmsg(free.fileno(), messages, MOST, 0) == MOST
bound.connect(servers[0].getsockname())
messages, keep = vector([None] * MOST, [b"y" * (i % 5) for i in range(MOST)])
assert libc.sendmmsg(bound.fileno(), messages, MOST, 0) == MOST
said.append([s.getsockname()[1] for s in servers])
"""
    trace, ((first, second),) = record(tmp_path, code)
    found = {key: value[:2] for key, value in peers(trace, "family = 'AF_INET'").items()}
    sent, bytes_ = (sum(value[i] for value in found.values()) for i in (0, 1))
    assert (sent, bytes_) == (2048, sum(i % 7 for i in range(1024)) + sum(i % 5 for i in range(1024)))
    # Without the kernel's loops a chain of programs handles 264 messages of a call.
    has_loops = Btf.of_kernel().enum_value("bpf_func_id", "BPF_FUNC_loop") is not None
    looked_at = 1024 if has_loops else 264
    named = {("127.0.0.1", first): looked_at // 2 + 1024, ("127.0.0.1", second): looked_at // 2}
    assert {peer: value[0] for peer, value in found.items() if peer != (None, None)} == named
    assert ((None, None) in found) != has_loops


@pytest.mark.quick
def test_unix_datagrams(tmp_path: Path) -> None:
    code = r"""
server = socket.socket(socket.AF_UNIX, DGRAM); server.bind("the server")
abstract = socket.socket(socket.AF_UNIX, DGRAM); abstract.bind(b"\0hidden \xff")
for _ in range(7):
    abstract.sendto(b"abc", "the server"); server.recvfrom(10)
    server.sendto(b"", b"\0hidden \xff"); abstract.recv(10)
nameless = socket.socket(socket.AF_UNIX, DGRAM); nameless.connect("the server")
for _ in range(5): nameless.send(b"12345"); server.recvfrom(3)
one, other = socket.socketpair(socket.AF_UNIX, DGRAM)
for _ in range(11): one.send(b"1"); other.recv(9)
attempt(nameless.sendto, b"1", "nobody")
"""
    trace, _said = record(tmp_path, code)
    assert peers(trace, "family = 'AF_UNIX'") == {
        ("the server", None): (12, 21 + 25, 0, 0, 0),
        ("@hidden \\xff", None): (7, 0, 7, 21, 0),
        # 5 from the unnamed socket, 3 bytes of each as that was the buffer; 11 within the pair; and recv on an
        # unconnected socket reports no peer.
        (None, None): (11, 11, 5 + 11 + 7, 15 + 11, 0),
        ("nobody", None): (0, 0, 0, 0, 1),
    }
    assert trace.rows("SELECT DISTINCT remote_address_bytes FROM peers WHERE remote_address LIKE '@%'") == [
        (b"\0hidden \xff",)
    ]


def test_sends_and_receipts_that_fail(tmp_path: Path) -> None:
    code = """
free = udp(); port = free.getsockname()[1]; free.close()
s = udp(); s.connect(("127.0.0.1", port)); s.setblocking(False)
errors = []
for _ in range(17): errors.append(attempt(s.send, b"abc"))   # every second one is told that nobody is there
errors.append(attempt(s.recv, 10)); errors.append(attempt(s.recv, 10)); errors.append(attempt(s.recv, 10))
for _ in range(5): errors.append(attempt(s.sendto, bytes(70000), ("127.0.0.1", port)))
said += [port, errors]
"""
    trace, (port, errors) = record(tmp_path, code)
    sent = errors[:17].count(3)
    failed = sum(error in (111, 90) for error in errors)
    assert errors.count(90) == 5 and 111 in errors and 11 in errors
    assert peers(trace, "family = 'AF_INET'") == {("127.0.0.1", port): (sent, 3 * sent, 0, 0, failed)}


def test_peeked_datagrams_are_not_received(tmp_path: Path) -> None:
    code = """
one, other = udp(), udp()
for _ in range(7):
    one.sendto(bytes(1000), other.getsockname())
    for _ in range(3): other.recvfrom(10, socket.MSG_PEEK)
    assert other.recvfrom_into(bytearray(10), 10, socket.MSG_TRUNC)[0] == 1000
said += [one.getsockname()[1], other.getsockname()[1]]
"""
    trace, (one, other) = record(tmp_path, code)
    assert peers(trace, "family = 'AF_INET'") == {
        ("127.0.0.1", other): (7, 7000, 0, 0, 0),
        ("127.0.0.1", one): (0, 0, 7, 70, 0),
    }


def test_addresses_are_the_kernels(tmp_path: Path) -> None:
    """An IPv4 peer of an IPv6 socket, and what is sent to the unspecified address."""
    code = """
server = socket.socket(socket.AF_INET6, DGRAM); server.setsockopt(41, 26, 0); server.bind(("::", 0))
port = server.getsockname()[1]
client = udp()
client.sendto(b"1", ("127.0.0.1", port)); peer = server.recvfrom(9)[1]; server.sendto(b"22", peer)
client.sendto(b"333", ("0.0.0.0", port)); server.recvfrom(9)
six = udp(socket.AF_INET6, "::1"); six.sendto(b"4444", ("::", port)); server.recvfrom(9)
said += [port, peer[0], peer[1], six.getsockname()[1]]
"""
    trace, (port, host, client, six) = record(tmp_path, code)
    assert host == "::ffff:127.0.0.1"
    assert peers(trace) == {
        ("127.0.0.1", port): (2, 4, 0, 0, 0),
        (host, client): (1, 2, 2, 4, 0),
        ("::1", port): (1, 4, 0, 0, 0),
        ("::1", six): (0, 0, 1, 4, 0),
    }


def test_streams_have_no_peers_here(tmp_path: Path) -> None:
    code = """
server = socket.socket(); server.bind(("127.0.0.1", 0)); server.listen(1)
client = socket.socket(); client.connect(server.getsockname()); there = server.accept()[0]
one, other = socket.socketpair()
for a, b in ((client, there), (one, other)):
    for _ in range(11):
        a.send(b"123"); b.recv(9); a.sendmsg([b"1"]); b.recvmsg(9); os.write(a.fileno(), b"1"); os.read(b.fileno(), 9)
"""
    trace, _said = record(tmp_path, code)
    assert trace.one("SELECT count(*) FROM peers") == 0


def test_a_receive_already_waiting_at_the_start(tmp_path: Path) -> None:
    waiter = recording.python(
        "import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0))\n"
        "print(s.getsockname()[1], flush=True)\nfor _ in range(3): s.recvfrom(9)",
        stdout=-1,
    )
    assert waiter.stdout
    with waiter:
        port = int(waiter.stdout.readline())
        wait_for(lambda: recording.thread_state(waiter.pid) == "S")
        with recording.recording(tmp_path / "t.parquet") as trace:
            to = "('127.0.0.1', int(sys.argv[1]))"
            code = f"import socket, sys\nfor _ in range(3): socket.socket(2, 2).sendto(b'abc', {to})"
            assert recording.python(code, str(port)).wait() == 0
            assert waiter.wait(60) == 0
    assert trace.rows(
        f"SELECT sum(datagrams_received), sum(datagram_bytes_received) FROM peers WHERE pid = {waiter.pid}"
    ) == [(3, 9)]


def test_against_the_counters_of_the_kernel(tmp_path: Path) -> None:
    """In its own network namespace, where nobody else sends: UdpOutDatagrams and UdpInDatagrams of /proc/net/snmp."""
    code = """
assert libc.unshare(0x40000000) == 0  # CLONE_NEWNET
import fcntl
with socket.socket(socket.AF_INET, DGRAM) as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sH22x", b"lo", 0x49))  # SIOCSIFFLAGS: up
one, other, third = udp(), udp(), udp()
one.connect(other.getsockname())
for i in range(503):
    one.send(b"x" * (i % 100)); other.recvfrom(200)
    third.sendto(b"y", other.getsockname()); other.recv(9)
    if i % 10 == 0: third.sendmsg([b"a", b"b"], [], 0, other.getsockname()); other.recvmsg(9)
udp_line = [line.split() for line in open("/proc/self/net/snmp") if line.startswith("Udp:")]
counters = dict(zip(*udp_line))
said += [int(counters["OutDatagrams"]), int(counters["InDatagrams"])]
"""
    trace, (out, received) = record(tmp_path, code)
    assert out == received == 503 + 503 + 51
    assert trace.rows("SELECT sum(datagrams_sent), sum(datagrams_received) FROM peers") == [(out, received)]
