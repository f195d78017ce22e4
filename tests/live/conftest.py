"""Oracles for the live tests, and recordings that several of them read."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.oracles.tools import find
from tests.live.recording import NOBODY, ShortLives, Trace, record_command, recording, start_ticks_ns


def oracle(name: str) -> str:
    found = find(name)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture(scope="session")
def strace() -> str:
    return oracle("strace")


@pytest.fixture(scope="session")
def perf() -> str:
    return oracle("perf")


@pytest.fixture(scope="session")
def of_true(tmp_path_factory: pytest.TempPathFactory, live_kernel: None) -> Trace:
    """A recording of /bin/true as a command."""
    return record_command(tmp_path_factory.mktemp("true") / "t.parquet", "/bin/true")


@pytest.fixture(scope="session")
def short_lives(tmp_path_factory: pytest.TempPathFactory, live_kernel: None) -> ShortLives:
    loop = f"i=0; while [ $i -lt {ShortLives.COUNT} ]; do /bin/true; i=$((i+1)); done"
    with recording(tmp_path_factory.mktemp("short_lives") / "t.parquet", "--interval", "0.2") as r:
        shell = subprocess.Popen(["/bin/sh", "-c", loop])
        start = start_ticks_ns(shell.pid)
        assert shell.wait() == 0
    return ShortLives(r, shell.pid, start)


@pytest.fixture
def nobodys(tmp_path: Path) -> Iterator[Path]:
    """A directory of another user, with a path that this user can walk."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder == Path("/tmp"):  # it is open to all
            break
        if folder.owner() == "root":
            folder.chmod(folder.stat().st_mode | 0o011)
    mine = tmp_path / "nobodys"
    mine.mkdir()
    os.chown(mine, NOBODY, NOBODY)
    yield mine
    shutil.rmtree(mine)
