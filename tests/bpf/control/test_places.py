"""Only sockets in directories that are their owner's alone are found."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysmon.bpf.control import places

ME = os.getuid()


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """My directory of sockets."""
    monkeypatch.setattr(places, "RUN", tmp_path)
    (tmp_path / str(ME)).mkdir(mode=0o700)
    return tmp_path / str(ME)


@pytest.fixture
def listening() -> Iterator[list[socket.socket]]:
    made: list[socket.socket] = []
    yield made
    for each in made:
        each.close()


def listen(place: Path) -> socket.socket:
    new = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    new.bind(str(place))
    new.listen()
    return new


def test_all_names_of_sockets_are_found(mine: Path, listening: list[socket.socket]) -> None:
    listening += [listen(mine / name) for name in ("b", "a")]
    (mine / "file").touch()
    (mine / "link").symlink_to("a")
    with places.sockets(ME) as found:
        assert [(place.owner, place.name, place.full_name) for place in found] == [
            (ME, "a", f"{ME}/a"), (ME, "b", f"{ME}/b"),
        ]  # fmt: skip
        found[0].connect().close()


def test_a_directory_that_is_open_to_others_is_not(mine: Path, listening: list[socket.socket]) -> None:
    listening.append(listen(mine / "a"))
    mine.chmod(0o755)
    with places.sockets(ME) as found:
        assert found == []


@pytest.mark.skipif(ME != 0, reason="root's view of other users")
def test_root_sees_those_of_all_users(mine: Path, listening: list[socket.socket]) -> None:
    for uid in (1001, 1002):
        (mine.parent / str(uid)).mkdir(mode=0o700)
        listening.append(listen(mine.parent / str(uid) / "a"))
    os.chown(mine.parent / "1001", 1001, 1001)  # and 1002 is not that user's
    with places.sockets(0) as found:
        assert [place.full_name for place in found] == ["1001/a"]
    mine.parent.chmod(0o777)
    with places.sockets(0) as found:
        assert found == [], "anybody could have made them"
