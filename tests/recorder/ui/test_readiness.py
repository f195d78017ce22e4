"""Whoever started sysmon is told that recording has begun, and never waited for."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sysmon import streams
from sysmon.errors import BadRequest
from sysmon.recorder.ui.readiness import Readiness

SYSMON = Path(sys.executable).with_name("sysmon")


def test_a_line_is_written_once_and_the_descriptor_closed() -> None:
    out, into = os.pipe()
    readiness = Readiness(into, None)
    assert not os.get_inheritable(into)
    assert readiness.tell() == []
    assert readiness.tell() == []
    with os.fdopen(out, "rb") as told:
        assert told.read() == b"ready\n"


def test_a_full_pipe_is_not_waited_for() -> None:
    out, into = os.pipe()
    os.write(into, bytes(fcntl.fcntl(into, fcntl.F_GETPIPE_SZ)))
    assert Readiness(into, None).tell() == [f"--ready-fd {into}: nobody reads it, and it is full"]
    os.close(out)


def test_a_reader_that_has_gone_is_said() -> None:
    out, into = os.pipe()
    os.close(out)
    assert Readiness(into, None).tell() == [f"--ready-fd {into}: Broken pipe"]


@pytest.mark.parametrize("abstract", [True, False])
def test_the_service_manager_is_told(tmp_path: Path, abstract: bool) -> None:
    name = b"@sysmon-test-%d" % os.getpid() if abstract else os.fsencode(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace(b"@", b"\0", 1) if abstract else name)
        manager.settimeout(5)
        assert Readiness(None, name).tell() == []
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("name", [b"/nonexistent/notify", b"@", b"x" * 200])
def test_no_service_manager_is_no_reason_to_stop(name: bytes) -> None:
    (fault,) = Readiness(None, name).tell()
    assert fault.startswith("NOTIFY_SOCKET: cannot tell the service manager")


def test_a_service_manager_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as other,
    ):
        manager.bind(str(path))
        with contextlib.suppress(BlockingIOError):
            while True:
                other.sendto(b"x", str(path))
        (fault,) = Readiness(None, os.fsencode(path)).tell()
    assert "temporarily unavailable" in fault


def test_a_descriptor_that_is_not_open_is_refused() -> None:
    with pytest.raises(BadRequest, match="--ready-fd: descriptor 1000 is not open; in a shell, open it with 1000>FILE"):
        Readiness(1000, None)


def test_a_descriptor_to_read_from_is_refused() -> None:
    with open("/dev/null", "rb") as file, pytest.raises(BadRequest, match="is open for reading only"):
        Readiness(file.fileno(), None)


def test_our_own_descriptor_of_that_number_is_not_taken_for_the_callers(tmp_path: Path) -> None:
    """Messages to a pipe or a terminal go through a descriptor of our own, which has the lowest free number."""
    command = [SYSMON, "record", "--duration", "0.1", "-o", tmp_path / "t.parquet", "--ready-fd", "3"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == "sysmon: --ready-fd: descriptor 3 is not open; in a shell, open it with 3>FILE\n"


def test_a_pipe_that_others_fill_meanwhile_is_not_waited_for() -> None:
    """Whoever shares it may fill it between our look and our write: the write itself must not block."""
    out, into = os.pipe()
    unblocked = streams.without_blocking(into)
    os.write(into, bytes(fcntl.fcntl(into, fcntl.F_GETPIPE_SZ)))
    with pytest.raises(BlockingIOError):
        os.write(unblocked, b"x")
    assert os.get_blocking(into)
    for each in (out, into, unblocked):
        os.close(each)
