"""What a process that was taken over can still do."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sysmon.recorder.own.delegate import Child
from sysmon.recorder.symbols.confinement import FILES, confine

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")

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


def test_it_starts_no_process_unless_it_is_root() -> None:
    assert attempt(os.fork) == "BlockingIOError" or os.getuid() == 0  # the kernel exempts root (copy_process())


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
    assert attempt(lambda: [os.open("/", os.O_RDONLY) for _ in range(FILES)]) == "OSError"
