"""Sockets and connections, compared with what their programs report about their ends."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.live.recording import Trace, record_command

pytestmark = pytest.mark.live

PRELUDE = """
import json, os, socket
said = []
def attempt(call, *args):
    try: return call(*args)
    except OSError: return None
"""


def record(tmp_path: Path, code: str) -> tuple[Trace, Any]:
    """Records Python code in a directory of its own. Also returns what it put into `said`."""
    code = f"{PRELUDE}{code}\njson.dump(said, open('said', 'w'))"
    trace = record_command(tmp_path / "t.parquet", sys.executable, "-I", "-S", "-c", code, cwd=tmp_path)
    assert trace.status == 0, trace.output
    trace.assert_nothing_lost()
    return trace, json.loads((tmp_path / "said").read_text())


ENDS = "local_address, local_port, remote_address, remote_port"


@pytest.mark.quick
@pytest.mark.parametrize(("family", "host"), [("AF_INET", "127.0.0.1"), ("AF_INET6", "::1")])
def test_a_connection_over_ip(tmp_path: Path, family: str, host: str) -> None:
    code = f"""
server = socket.socket(socket.{family}, socket.SOCK_STREAM)
server.bind(({host!r}, 0)); server.listen(11)
for _ in range(7):
    client = socket.socket(socket.{family}, socket.SOCK_STREAM)
    client.connect(server.getsockname()[:2])
    accepted, peer = server.accept()
    said.append([server.getsockname()[1], client.getsockname()[1], peer[1]])
    client.shutdown(socket.SHUT_WR)
    client.close(); accepted.close()
"""
    trace, said = record(tmp_path, code)
    which = f"family = '{family}' AND socket_type = 'SOCK_STREAM'"
    made = trace.rows(f"SELECT result, error, {ENDS}, protocol FROM sockets WHERE syscall = 'socket' AND {which}")
    assert len(made) == 8 and all(m[0] > 2 and m[1:] == (None, None, None, None, None, 0) for m in made)
    server = said[0][0]
    bound = trace.rows(
        f"SELECT syscall, result, backlog, {ENDS}, protocol FROM sockets WHERE syscall IN ('bind', 'listen')"
    )
    assert bound == [
        ("bind", 0, None, host, server, None, None, 6),
        ("listen", 0, 11, host, server, None, None, 6),
    ]
    out = trace.rows(f"SELECT {ENDS}, error FROM sockets WHERE syscall = 'connect' ORDER BY ts")
    assert out == [(host, client, host, server, None) for _, client, _ in said]
    came = trace.rows(f"SELECT {ENDS}, error, result >= 0 FROM sockets WHERE syscall = 'accept4' ORDER BY ts")
    assert came == [(host, server, host, peer, None, True) for *_, peer in said]
    ended = trace.rows(f"SELECT how, {ENDS} FROM sockets WHERE syscall = 'shutdown' ORDER BY ts")
    assert ended == [("writing", host, client, host, server) for _, client, _ in said]


def test_refused_and_not_waited_for(tmp_path: Path) -> None:
    code = """
free = socket.socket(); free.bind(("127.0.0.1", 0)); port = free.getsockname()[1]; said.append(port)
s = socket.socket(); attempt(s.connect, ("127.0.0.1", port))
s = socket.socket(); s.setblocking(False); attempt(s.connect, ("127.0.0.1", port))
s = socket.socket(); attempt(s.bind, ("127.0.0.1", port))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("127.0.0.2", 53)); said.append(s.getsockname()[1])
attempt(os.fdopen(s.fileno(), closefd=False).close)
"""
    trace, (port, udp) = record(tmp_path, code)
    found = trace.rows(
        "SELECT error, remote_address, remote_port, socket_type FROM sockets WHERE syscall = 'connect' ORDER BY ts"
    )
    assert found[0] == ("ECONNREFUSED", "127.0.0.1", port, "SOCK_STREAM")
    assert found[1][0] in ("EINPROGRESS", "ECONNREFUSED") and found[1][1:] == ("127.0.0.1", port, "SOCK_STREAM")
    assert found[2] == (None, "127.0.0.2", 53, "SOCK_DGRAM")
    assert trace.rows("SELECT local_port, protocol FROM sockets WHERE remote_port = 53") == [(udp, 17)]
    assert trace.rows("SELECT local_address, local_port FROM sockets WHERE error = 'EADDRINUSE'") == [
        ("127.0.0.1", port)
    ]


def test_connections_that_nobody_waits_for(tmp_path: Path) -> None:
    code = """
server = socket.socket(); server.bind(("127.0.0.1", 0)); server.listen(5); server.setblocking(False)
attempt(server.accept)                                              # nobody there yet
client = socket.socket(); client.setblocking(False)
error = client.connect_ex(server.getsockname())
select.select([server], [], [])
accepted, peer = server.accept()
said += [server.getsockname()[1], client.getsockname()[1], peer[1], errno.errorcode.get(error)]
"""
    trace, (server, client, peer, error) = record(tmp_path, "import errno, select\n" + code)
    assert client == peer
    out = trace.rows(f"SELECT error, {ENDS} FROM sockets WHERE syscall = 'connect' ORDER BY ts")
    assert out == [(error, "127.0.0.1", client, "127.0.0.1", server)]
    came = trace.rows(f"SELECT error, {ENDS} FROM sockets WHERE syscall = 'accept4' ORDER BY ts")
    assert came == [
        ("EAGAIN", "127.0.0.1", server, None, None),
        (None, "127.0.0.1", server, "127.0.0.1", peer),
    ]


def test_unix_sockets_with_a_path_and_abstract(tmp_path: Path) -> None:
    code = r"""
for name in ("path", b"\0abstract \xff\0name", b"\xfe"):
    server = socket.socket(socket.AF_UNIX); server.bind(name); server.listen(3)
    client = socket.socket(socket.AF_UNIX); client.connect(name)
    server.accept()
attempt(socket.socket(socket.AF_UNIX).connect, "none")
one, other = socket.socketpair()
"""
    trace, _said = record(tmp_path, code)
    which = "SELECT syscall, {} FROM sockets WHERE syscall IN ('bind', 'accept4') AND family = 'AF_UNIX' ORDER BY ts"
    names = [("path", None), ("@abstract \\xff\0name", b"\0abstract \xff\0name"), ("\\xfe", b"\xfe")]
    found = trace.rows(which.format("local_address, local_address_bytes"))
    assert found == [(call, *name) for name in names for call in ("bind", "accept4")]
    out = trace.rows(
        "SELECT remote_address, remote_address_bytes, error FROM sockets WHERE syscall = 'connect' ORDER BY ts"
    )
    assert out == [*((*name, None) for name in names), ("none", None, "ENOENT")]


def test_a_call_on_what_is_no_socket(tmp_path: Path) -> None:
    code = """
fd = os.open("/dev/null", os.O_RDWR)
file = socket.socket()
os.dup2(fd, file.fileno())
attempt(file.listen, 1); attempt(file.connect, ("127.0.0.1", 9))
attempt(socket.socket, 77)
"""
    trace, _said = record(tmp_path, code)
    found = trace.rows("SELECT syscall, error, family, remote_address, remote_port FROM sockets ORDER BY ts")
    assert ("listen", "ENOTSOCK", None, None, None) in found
    assert ("connect", "ENOTSOCK", None, "127.0.0.1", 9) in found
    assert ("socket", "EAFNOSUPPORT", None, None, None) in found


def test_a_connection_of_another_program(tmp_path: Path) -> None:
    """The same calls in another process tree, a prime number of them."""
    code = "import socket\nfor _ in range(211): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()"
    trace = record_command(tmp_path / "t.parquet", "/bin/sh", "-c", f"{sys.executable} -I -S -c '{code}'; true")
    trace.assert_nothing_lost()
    assert trace.one("SELECT count(*) FROM sockets WHERE syscall = 'socket' AND socket_type = 'SOCK_DGRAM'") == 211


def test_where_a_unix_socket_is(tmp_path: Path) -> None:
    """A relative path is made absolute: by the kernel's own path of what was bound, else by the current directory."""
    code = """
os.mkdir("a"); os.mkdir("b"); os.mkdir("jail")
unix = lambda: socket.socket(socket.AF_UNIX)
os.chdir("a"); server = unix(); server.bind("s"); server.listen(3)
os.chdir("../b"); client = unix(); client.connect("../a/s"); server.accept()[0].shutdown(socket.SHUT_WR)
attempt(unix().connect, "./s"); attempt(unix().bind, "no/s"); attempt(unix().connect, "\\0s")
os.unlink("../a/s"); server.listen(5)
pid = os.fork()
if pid == 0:
    os.chroot("../jail"); os.chdir("/")
    inner = unix(); inner.bind("/s"); attempt(unix().connect, "/none")
    os._exit(0)
os.waitpid(pid, 0)
os.chdir(os.path.dirname(os.getcwd()))
"""
    trace, _said = record(tmp_path, code)
    found = trace.rows(
        "SELECT syscall, error, local_address, remote_address, unix_path FROM sockets "
        "WHERE family = 'AF_UNIX' AND syscall <> 'socket' ORDER BY ts"
    )
    a, b, jail = (tmp_path / name for name in ("a", "b", "jail"))
    assert found == [
        ("bind", None, "s", None, f"{a}/s"),
        ("listen", None, "s", None, f"{a}/s"),
        ("connect", None, None, "s", f"{a}/s"),
        ("accept4", None, "s", None, f"{a}/s"),
        ("shutdown", None, "s", None, f"{a}/s"),
        ("connect", "ENOENT", None, "./s", f"{b}/s"),
        ("bind", "ENOENT", "no/s", None, f"{b}/no/s"),
        ("connect", "ECONNREFUSED", None, "@s", None),
        ("listen", None, "s", None, f"{a}/s (deleted)"),
        ("bind", None, "/s", None, f"{jail}/s"),
        ("connect", "ENOENT", None, "/none", f"{jail}/none"),
    ]


FAST_OPEN = 0x20000000
TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE = 23, 30, 34


@pytest.mark.parametrize(
    ("family", "host", "way"),
    [("AF_INET", "127.0.0.1", "sendto"), ("AF_INET6", "::1", "sendmsg"), ("AF_INET", "127.0.0.1", "setsockopt")],
)
@pytest.mark.parametrize("server_wants_it", [True, False])
def test_a_send_that_connects(tmp_path: Path, family: str, host: str, way: str, server_wants_it: bool) -> None:
    """TCP fast open, also with a server that lacks it, so that the kernel falls back to a normal connection."""
    send = {
        "sendto": f"client.sendto(b'hello', {FAST_OPEN}, to)",
        "sendmsg": f"client.sendmsg([b'hel', b'lo'], [], {FAST_OPEN}, to)",
        "setsockopt": f"client.setsockopt(6, {TCP_FASTOPEN_CONNECT}, 1); client.connect(to); client.send(b'hello')",
    }[way]
    code = f"""
server = socket.socket(socket.{family}); server.bind(({host!r}, 0))
if {server_wants_it}: server.setsockopt(6, {TCP_FASTOPEN}, 5)
server.listen(11)
to = server.getsockname()
for _ in range(3):
    client = socket.socket(socket.{family}); client.setsockopt(6, {TCP_FASTOPEN_NO_COOKIE}, 1)
    {send}
    accepted, peer = server.accept()
    assert accepted.recv(9) == b"hello"
    said.append([client.getsockname()[1], *client.getpeername()[:2], peer[1]])
    client.send(b"more")
"""
    trace, said = record(tmp_path, code)
    call = "connect" if way == "setsockopt" else way
    out = trace.rows(f"SELECT {ENDS}, error, result FROM sockets WHERE syscall = '{call}' ORDER BY ts")
    result = 0 if way == "setsockopt" else 5
    assert out == [(host, port, to, to_port, None, result) for port, to, to_port, _peer in said]
    shown = [r for r in trace.opened.report("connections").fetchall() if r[5] == "SOCK_STREAM"]
    assert sorted((r[3], r[7], r[8], r[9]) for r in shown) == sorted(
        row for port, to, to_port, peer in said for row in (("out", port, to, to_port), ("in", to_port, host, peer))
    )


def test_sends_that_connect_in_vain(tmp_path: Path) -> None:
    code = f"""
free = socket.socket(); free.bind(("127.0.0.1", 0)); port = free.getsockname()[1]; free.close()
s = socket.socket(); attempt(s.sendto, b"x", {FAST_OPEN}, ("127.0.0.1", port))
s = socket.socket(); s.setblocking(False); attempt(s.sendto, b"x", {FAST_OPEN}, ("127.0.0.1", port))
s = socket.socket(socket.AF_UNIX); attempt(s.sendto, b"x", {FAST_OPEN}, "none")
said.append(port)
"""
    trace, (port,) = record(tmp_path, code)
    found = trace.rows("SELECT error, remote_address, remote_port FROM sockets WHERE syscall = 'sendto' ORDER BY ts")
    assert found[0] == ("ECONNREFUSED", "127.0.0.1", port)
    assert found[1][0] in ("EINPROGRESS", "ECONNREFUSED") and found[1][1:] == ("127.0.0.1", port)
    assert len(found) == 2


def test_the_peer_of_a_connect_is_the_one_that_the_kernel_has(tmp_path: Path) -> None:
    code = """
def peer(s):
    try: return s.getpeername()[:2]
    except OSError: return [None, None]
for family, host, any_host in ((socket.AF_INET, "127.0.0.1", "0.0.0.0"), (socket.AF_INET6, "::1", "::")):
    server = socket.socket(family); server.bind((host, 0)); server.listen(5)
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        client = socket.socket(family, kind); client.connect((any_host, server.getsockname()[1]))
        said.append(peer(client))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in (1001, 1002):
    udp.connect(("127.0.0.1", port)); said.append(peer(udp))
attempt(udp.connect, ("255.255.255.255", 9))                        # EACCES: it keeps the peer that it has
libc = ctypes.CDLL(None)
libc.connect(udp.fileno(), bytes(16), 16); said.append(peer(udp))   # AF_UNSPEC
udp.connect(("0.0.0.0", 1003)); said.append(peer(udp))
"""
    trace, said = record(tmp_path, "import ctypes\n" + code)
    which = "remote_address, remote_port FROM sockets WHERE syscall = 'connect'"
    assert trace.rows(f"SELECT {which} AND error IS NULL ORDER BY ts") == [tuple(peer) for peer in said]
    assert trace.rows(f"SELECT error, {which} AND error IS NOT NULL") == [("EACCES", "255.255.255.255", 9)]
