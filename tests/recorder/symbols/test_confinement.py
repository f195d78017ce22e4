"""What a process that was taken over can still do."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from sysmon.recorder.own.delegate import Child
from sysmon.recorder.own.refused_calls import PROGRAM
from sysmon.recorder.symbols.confinement import FILES, confine

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")

_libc = ctypes.CDLL(None, use_errno=True)

LANDLOCK: int = ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) if Path("/proc").exists() else 0
"""Its ABI; -1: there is none."""


def attempt(deed: Callable[[], object]) -> str:
    """What comes of it in a confined child."""

    def serve(sock: socket.socket) -> None:
        confine()
        try:
            deed()
            sock.sendall(b"done")
        except (OSError, MemoryError) as error:
            sock.sendall(type(error).__name__.encode())

    child = Child(serve, frozenset())
    said = child.socket.recv(100).decode()
    child.end()
    return said


def test_it_can_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    assert attempt((tmp_path / "file").read_text) == "done"


@pytest.mark.skipif(not PROGRAM, reason="needs numbers of system calls")
def test_it_starts_no_process() -> None:
    """Nor does root, which the kernel exempts from RLIMIT_NPROC (copy_process())."""
    assert attempt(os.fork) == "PermissionError"


@pytest.mark.skipif(not PROGRAM, reason="needs numbers of system calls")
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK])
def test_it_has_no_socket(family: int) -> None:
    assert attempt(lambda: socket.socket(family, socket.SOCK_DGRAM)) == "PermissionError"


@pytest.mark.skipif(not PROGRAM, reason="needs numbers of system calls")
def test_it_cannot_reach_a_unix_socket_by_its_path(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as opened:
        server.bind(path)
        server.listen()
        assert attempt(lambda: connected(path)) == "PermissionError"
        opened.connect(path)  # others can


def connected(path: str) -> None:
    """With any descriptor: the call is refused before the kernel looks at it."""
    code = _libc.connect(3, struct.pack("=H", socket.AF_UNIX) + path.encode() + b"\0", 2 + len(path) + 1)
    if code:
        raise OSError(ctypes.get_errno(), "connect")


@pytest.mark.skipif(not PROGRAM or os.uname().machine != "x86_64", reason="needs tables besides the native one")
def test_it_makes_no_call_of_another_table() -> None:
    def deed() -> None:
        if _libc.syscall(0x40000000 | 39) < 0:  # getpid of x32
            raise OSError(ctypes.get_errno(), "getpid")

    assert attempt(deed) == "PermissionError"


def test_it_writes_no_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("content")
    deeds = [lambda: mine.write_text("other"), lambda: os.write(os.open(mine, os.O_WRONLY), b"x")]
    if LANDLOCK > 0:
        deeds += [
            mine.unlink,
            (tmp_path / "new").touch,
            (tmp_path / "new").mkdir,
            lambda: mine.rename(tmp_path / "new"),
        ]
    for deed in deeds:
        assert attempt(deed) != "done"
    assert LANDLOCK < 1 or mine.read_text() == "content"


@pytest.mark.skipif(LANDLOCK < 1, reason="needs Landlock")
def test_it_executes_no_program_and_reads_no_other_process() -> None:
    assert attempt(lambda: os.execv("/bin/true", ["true"])) == "PermissionError"
    other = Child(lambda sock: sock.recv(1), frozenset())  # that has no capability either
    assert attempt(lambda: os.open(f"/proc/{other.pid}/mem", os.O_RDONLY)) == "PermissionError"
    other.end()


@pytest.mark.skipif(LANDLOCK < 6, reason="needs Landlock of Linux 6.12")
def test_it_signals_no_other_process() -> None:
    assert attempt(lambda: os.kill(os.getppid(), 0)) == "PermissionError"


@pytest.mark.skipif(LANDLOCK < 4, reason="needs Landlock of Linux 6.7")
def test_it_connects_to_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert attempt(lambda: socket.create_connection(("127.0.0.1", port))) == "PermissionError"


def test_its_memory_and_descriptors_have_a_limit() -> None:
    assert attempt(lambda: bytearray(3 << 30)) == "MemoryError"
    assert attempt(lambda: [os.open("/", os.O_RDONLY) for _ in range(FILES + 1)]) == "OSError"
