"""Two network namespaces, joined by a veth pair, with TCP connections of every fate: run as a program.

Reads a line before each phase from its standard input, and writes what it knows as a line of JSON after it: before the
recording; in it; and after the retransmits have been counted.
"""

import contextlib
import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

CLONE_NEWNET = 0x40000000
HERE, THERE, PORT = "10.99.0.1", "10.99.0.2", 7000
CLOSE, CLOSE_WAIT = 7, 8
LEFT = 300
"""Connections that the other side has closed."""


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def unshare() -> None:
    assert ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) == 0
    run("ip", "link", "set", "lo", "up")


def counted(name: str) -> int:
    """A counter of TCP in this namespace."""
    lines = Path("/proc/net/snmp").read_text().splitlines()
    names, values = (line.split() for line in lines if line.startswith("Tcp:"))
    return int(values[names.index(name)])


def info(s: socket.socket) -> tuple[int, ...]:
    """The bytes of struct tcp_info."""
    return tuple(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256))


def retransmits(s: socket.socket) -> int:
    """tcpi_total_retrans of include/uapi/linux/tcp.h."""
    return int(struct.unpack_from("=I", bytes(info(s)), 100)[0])


def tries(s: socket.socket) -> int:
    """tcpi_retransmits: how often in a row it has waited in vain, whether or not anything was sent again."""
    return info(s)[2]


def state(s: socket.socket) -> int:
    return info(s)[0]


def receive(s: socket.socket, n: int) -> None:
    while n:
        n -= len(s.recv(min(n, 1 << 16)))


@contextlib.contextmanager
def lossy(*devices: str):  # type: ignore[no-untyped-def]
    """Nothing arrives at these devices."""
    for device in devices:
        run("tc", "qdisc", "add", "dev", device, "clsact")
        run("tc", "filter", "add", "dev", device, "ingress", "bpf", "bytecode", "1,6 0 0 2", "direct-action")
    yield
    for device in devices:
        run("tc", "qdisc", "del", "dev", device, "clsact")


def serve(ready: int, go: int) -> None:
    """The other side: it accepts, and does as it is told by a byte of each connection."""
    unshare()
    os.write(ready, b"x")
    os.read(go, 1)
    server = socket.create_server((THERE, PORT), backlog=512)
    os.write(ready, b"x")
    kept = []
    while True:
        s, _ = server.accept()
        kept.append(s)
        what = s.recv(1)
        if what == b"c":  # closes
            s.close()
        if what == b"s":  # shuts down when it is told to
            os.read(go, 1)
            s.shutdown(socket.SHUT_WR)
            os.write(ready, b"x")
        if what == b"e" and not os.fork():  # echoes
            while some := s.recv(1 << 16):
                s.sendall(some)
            os._exit(0)


def main() -> None:
    def phase(**said: object) -> None:
        print(json.dumps(said), flush=True)
        sys.stdin.readline()

    sys.stdin.readline()
    (ready, told), (go, tell) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        serve(told, go)
    unshare()
    os.read(ready, 1)
    run("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(child))
    run("ip", "addr", "add", f"{HERE}/24", "dev", "here")
    run("ip", "link", "set", "here", "up")
    enter = ("nsenter", "-t", str(child), "-n")
    run(*enter, "ip", "addr", "add", f"{THERE}/24", "dev", "there")
    run(*enter, "ip", "link", "set", "there", "up")
    os.write(tell, b"x")
    os.read(ready, 1)

    def connect(what: bytes) -> socket.socket:
        s = socket.create_connection((THERE, PORT))
        s.sendall(what)
        return s

    def echo(s: socket.socket, n: int) -> None:
        s.sendall(b"x" * n)
        receive(s, n)

    old = connect(b"e")
    echo(old, 10_007)
    leaving = connect(b"e")
    names = {"old": old.getsockname()[1], "leaving": leaving.getsockname()[1]}
    namespace = os.stat("/proc/self/ns/net").st_ino
    other = os.stat(f"/proc/{child}/ns/net").st_ino
    phase(pid=os.getpid(), child=child, names=names, namespace=namespace, other_namespace=other)

    # A queue of one connection that nobody accepts: the next SYNs get no answer.
    full = socket.create_server((HERE, 0), backlog=0)
    queued = socket.create_connection(full.getsockname())
    silent = socket.socket()
    silent.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
    silent.setblocking(False)
    before = counted("RetransSegs")
    silent.connect_ex(full.getsockname())

    left = [connect(b"c") for _ in range(LEFT)]
    until(lambda: all(state(s) == CLOSE_WAIT for s in left))
    echo(old, 5_003)
    leaving.close()
    lost, both = connect(b"e"), connect(b"s")
    both_port = both.getsockname()[1]
    with lossy("here"):
        lost.sendall(b"y" * 3_001)
        run("ip", "route", "add", "unreachable", THERE)
        until(lambda: tries(lost))
        run("ip", "route", "del", "unreachable", THERE)
        assert not retransmits(lost), "without a route nothing is sent"
        os.write(tell, b"x")
        os.read(ready, 1)
        both.shutdown(socket.SHUT_WR)
        until(lambda: retransmits(lost))
    receive(lost, 3_001)
    until(lambda: state(both) == CLOSE)
    until(lambda: state(silent) == CLOSE)
    ports = {"lost": lost, "queued": queued, "silent": full}
    phase(
        names={name: s.getsockname()[1] for name, s in ports.items()} | {"both": both_port},
        lost=retransmits(lost),
        resent=counted("RetransSegs") - before,
        ss=run("ss", "-tinH", f"sport = :{lost.getsockname()[1]}"),
        error=silent.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
    )
    os.kill(child, 9)


if __name__ == "__main__":
    main()
