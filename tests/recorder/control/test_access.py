"""The socket's directory is its owner's alone, or there is no socket; and what --control-fd takes."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from sysmon.bpf.control import places
from sysmon.bpf.trace_file.directory import Directory
from sysmon.errors import BadRequest
from sysmon.recorder.control import access
from sysmon.recorder.own import isolation

ME = os.geteuid()


def test_a_directory_that_exists_must_be_private(tmp_path: Path) -> None:
    with Directory.hold(tmp_path) as parent:
        access._private(parent, "new", ME, os.getegid()).close()
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
        access._private(parent, "new", ME, os.getegid()).close()
        (tmp_path / "open").mkdir(mode=0o755)
        (tmp_path / "link").symlink_to(tmp_path / "new")
        for name in ("open", "link"):
            with pytest.raises(OSError, match=r"alone|Not a directory"):
                access._private(parent, name, ME, os.getegid())


@pytest.mark.skipif(ME != 0, reason="only root can make what is another's")
def test_another_users_directory_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    os.chown(tmp_path / "theirs", 12345, 12345)
    with Directory.hold(tmp_path) as parent, pytest.raises(PermissionError, match="alone"):
        access._private(parent, "theirs", ME, 0)


def test_without_root_the_first_that_can_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runtime").mkdir()
    monkeypatch.setattr(places, "RUN", tmp_path / "not there" / "sysmon")
    monkeypatch.setattr(isolation, "variable", lambda _name: os.fsencode(tmp_path / "runtime"))
    with access._without_root(ME) as made:
        assert made.path == tmp_path / "runtime" / "sysmon"
    (tmp_path / "runtime" / "sysmon").chmod(0o755)
    monkeypatch.setattr(places, "without_root", lambda *_user: [tmp_path / "runtime" / "sysmon"])
    with pytest.raises(OSError, match="runtime/sysmon: it is not its owner's alone"):
        access._without_root(ME)


def test_no_place_is_no_reason_not_to_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> Directory:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(access, "_of_root", refuse)
    monkeypatch.setattr(access, "_without_root", refuse)
    made = access.of(None, None)
    assert (made.directory, made.missing) == (None, "Permission denied")


def test_a_connection_is_taken_over() -> None:
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.set_inheritable(theirs.fileno(), True)
    with mine, access.inherited(theirs.detach()) as taken:
        assert not taken.get_inheritable()
        mine.send(b"x")
        assert taken.recv(1) == b"x"


def test_anything_else_is_refused() -> None:
    out, into = os.pipe()
    with pytest.raises(BadRequest, match=f"descriptor {into} is no socket"):
        access.inherited(into)
    os.close(out)
    os.close(into)
    with pytest.raises(BadRequest, match="descriptor 1000 is no socket: Bad file descriptor"):
        access.inherited(1000)
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        alone = socket.socket(socket.AF_UNIX, kind)
        with pytest.raises(BadRequest, match="SOCK_SEQPACKET"):
            access.inherited(alone.detach())
