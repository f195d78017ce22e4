"""One name, one living recorder; what a dead one left is replaced."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

import pytest

from sysmon.bpf.control.client import Client
from sysmon.bpf.trace_file.directory import Directory
from sysmon.recorder.control import listener
from sysmon.recorder.control.listener import Listener


def die(of: Listener) -> None:
    """As if its process had been killed."""
    of.socket.close()


def test_a_living_recorder_keeps_its_name(tmp_path: Path) -> None:
    with Directory.hold(tmp_path) as held:
        first, second = Listener(held, "t.parquet"), Listener(held, "t.parquet")
        assert (first.name, second.name) == ("t.parquet", "t.parquet-2")
        assert (tmp_path / "t.parquet").stat().st_mode & 0o777 == 0o600
        for of in (first, second):
            Client.connect(held.fileno(), of.name).close()
            of.close()
        assert os.listdir(tmp_path) == []


def test_a_dead_one_does_not(tmp_path: Path) -> None:
    with Directory.hold(tmp_path) as held:
        dead = Listener(held, "t.parquet")
        die(dead)
        with pytest.raises(ConnectionRefusedError):
            Client.connect(held.fileno(), "t.parquet")
        living = Listener(held, "t.parquet")
        assert living.name == "t.parquet"
        dead.close()
        assert os.listdir(tmp_path) == ["t.parquet"], "which is another's by now"
        living.close()
        assert os.listdir(tmp_path) == []


def test_what_is_no_socket_is_left(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_text("mine")
    (tmp_path / "t.parquet-2").symlink_to(tmp_path / "elsewhere")
    with Directory.hold(tmp_path) as held:
        of = Listener(held, "t.parquet")
        assert of.name == "t.parquet-3"
        of.close()
    assert (tmp_path / "t.parquet").read_text() == "mine" and not (tmp_path / "elsewhere").exists()


def test_a_long_name_is_cut(tmp_path: Path) -> None:
    with Directory.hold(tmp_path) as held:
        first, second = (Listener(held, "ü" * 120) for _ in range(2))
        assert second.name == f"{first.name}-2"
        for of in (first, second):
            of.close()


def test_a_lock_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "LOCK_S", 0.02)
    fd = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with Directory.hold(tmp_path) as held, pytest.raises(BlockingIOError):
        Listener(held, "t.parquet")
    os.close(fd)


def test_a_full_queue_is_no_death(tmp_path: Path) -> None:
    with Directory.hold(tmp_path) as held:
        of = Listener(held, "t.parquet")
        waiting = []
        for _ in range(listener.BACKLOG + 1):
            one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            one.connect(str(tmp_path / "t.parquet"))
            waiting.append(one)
        assert not listener.is_stale(held, "t.parquet")
        for one in waiting:
            one.close()
        of.close()
