"""What a viewer that was taken over can still do."""

from __future__ import annotations

import os
import resource
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sysmon.live import process
from sysmon.live.confinement import FILES, Bounds, confine, viewer_user
from sysmon.recorder.own.refused_calls import PROGRAM

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")

of_numbers = pytest.mark.skipif(not PROGRAM, reason="needs numbers of system calls")


def comes_of(deed: Callable[[], object], bounds: Bounds | None = None) -> str:
    """What comes of it in a confined child."""
    readable, writable = os.pipe()

    def work() -> int:
        confine(viewer_user(), bounds or Bounds(), signal.SIGKILL)
        try:
            found = deed()
        except (OSError, MemoryError) as error:
            found = type(error).__name__
        os.write(writable, str(found).encode())
        return 0

    child = process.start(work, (writable,), signal.SIGKILL)
    os.close(writable)
    with open(readable, encoding="utf-8") as pipe:
        said = pipe.read()
    child.reap()
    assert child.status == 0
    return said


def status() -> dict[str, str]:
    text = Path("/proc/self/status").read_text()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def test_it_has_no_capability_and_gets_none() -> None:
    def deed() -> tuple[set[str], str, bool]:
        said = status()
        sets = {said[f"Cap{which}"].strip("0") for which in ("Inh", "Prm", "Eff", "Amb")}
        root = os.stat("/proc/self/environ").st_uid == 0  # of what may not be dumped
        return sets, said["NoNewPrivs"], root

    assert comes_of(deed) == "({''}, '1', True)"


def test_it_is_not_root() -> None:
    assert 0 not in map(int, comes_of(lambda: " ".join(map(str, [*os.getresuid(), *os.getresgid()]))).split())


def test_its_limits_are_for_good() -> None:
    def deed() -> list[int]:
        return [resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)]

    assert comes_of(deed) == f"[{FILES}, 0]"
    assert comes_of(lambda: bytearray(4 << 30)) == "MemoryError"


@of_numbers
def test_it_starts_threads_and_no_process() -> None:
    def deed() -> str:
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
        return "a thread"

    assert comes_of(deed) == "a thread"
    assert comes_of(os.fork) == "PermissionError"
    assert comes_of(lambda: os.execv("/bin/true", ["true"])) == "PermissionError"


@of_numbers
def test_it_opens_no_socket() -> None:
    assert comes_of(lambda: socket.socket(socket.AF_INET)) == "PermissionError"
    assert "AF_UNIX" in comes_of(lambda: socket.socketpair()[0].family.name)  # as an event loop does


def test_it_writes_to_its_own_directory_only(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith(("pytest-", "popen-")):
            folder.chmod(0o755)
    tmp_path.chmod(0o777)
    mine, other = tmp_path / "mine", tmp_path / "other"
    for folder in (mine, other):
        folder.mkdir()
        folder.chmod(0o777)
    (other / "secret").write_text("content")
    (other / "secret").chmod(0o644)
    bounds = Bounds(writable=(str(mine),))
    assert comes_of(lambda: (mine / "file").write_text("x"), bounds) == "1"
    assert comes_of(lambda: (other / "file").write_text("x"), bounds) == "PermissionError"
    assert comes_of((other / "secret").read_text, bounds) == "PermissionError"
    assert comes_of((other / "secret").read_text, Bounds((str(mine),), readable=None)) == "content"
