"""Clients are served, refused and dropped, and none is waited for."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from sysmon.bpf.control import messages
from sysmon.bpf.control.client import Client, NoAnswer, PartFiles, RequestRefused
from sysmon.bpf.control.messages import Wanted
from sysmon.bpf.trace_file import partial
from sysmon.bpf.trace_file.directory import Directory
from sysmon.recorder.control import server
from sysmon.recorder.control.listener import Listener
from sysmon.recorder.control.server import MOST_AT_ONCE, MOST_CLIENTS, REST_S, Server
from sysmon.recorder.output.protocol import Part

OWNER = os.getuid()


class Recording:
    """What clients ask for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marks: list[bytes] = []
        self.has_ended = False
        self.parts: list[Part] = []
        self.first_part = 1
        self.grow()

    def grow(self) -> None:
        """Begins a part."""
        number = len(self.parts) + self.first_part
        place = self.folder / str(number)
        place.mkdir()
        for name in (partial.ROWS, partial.LOG, *partial.JOURNALS):
            (place / name).write_text(f"{name} of {number}")

        def readers() -> list[BinaryIO]:
            with Directory.hold(self.folder) as parent, parent.subdirectory(place.name) as directory:
                return partial.readers(directory)

        self.parts.append(Part(number, place.name, readers))

    def mark(self, mark: messages.Mark, pid: int, uid: int) -> messages.Ok | messages.Refused:
        assert (pid, uid) == (os.getpid(), OWNER)
        self.marks.append(mark.text)
        return messages.Ok(len(self.marks))

    def end(self) -> messages.Ok:
        self.has_ended = True
        return self.now()

    def now(self) -> messages.Ok:
        return messages.Ok(17)


class Stage:
    """A server, whose clock the test moves."""

    def __init__(self, folder: Path, owner: int = OWNER) -> None:
        (folder / "parts").mkdir()
        self.recording = Recording(folder / "parts")
        self.directory = Directory.hold(folder)
        self.of = Server(self.recording, owner, Listener(self.directory, "socket"), None)
        self.now = 100.0

    def connect(self) -> Client:
        return Client.connect(self.directory.fileno(), "socket")

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.now += 2 * REST_S
            self.of.look(self.now)

    def ask(self, client: Client, request: messages.Request) -> None:
        client._socket.send(request.packed())

    def attached(self, wanted: Wanted = Wanted.SNAPSHOTS) -> Client:
        client = self.connect()
        self.ask(client, messages.Attach(wanted))
        self.look(2)
        assert client._ask(messages.End(), 0.0) == 17  # the answer to the first request
        return client

    def close(self) -> None:
        self.of.close()
        self.directory.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()
    assert not (tmp_path / "socket").exists()


def has_gone(client: Client) -> bool:
    try:
        client.poll()
    except NoAnswer:
        return True
    return False


def numbers(client: Client) -> list[int]:
    """Of the parts that came, negative if they went."""
    found = []
    for news in client.news():
        if isinstance(news, PartFiles):
            assert os.pread(news.log, 100, 0) == f"log of {news.number}".encode()
            with pytest.raises(OSError, match="Bad file"):
                os.write(news.rows, b"x")
            news.close()
            found.append(news.number)
        elif isinstance(news, messages.PartGone):
            found.append(-news.number)
    return found


def test_a_mark_is_made_and_answered(stage: Stage) -> None:
    with stage.connect() as client:
        stage.ask(client, messages.Mark(b"deploy"))
        stage.look(2)
        assert client.mark(b"again", wait_s=0) == 1 and stage.recording.marks == [b"deploy"]
        stage.look()
        assert stage.recording.marks == [b"deploy", b"again"]


def test_who_is_attached_hears_of_parts(stage: Stage) -> None:
    stage.recording.grow()
    with stage.attached() as client, stage.connect() as silent:
        assert numbers(client) == [1, 2]
        stage.of.tell()
        assert numbers(client) == []
        stage.recording.grow()
        stage.recording.parts.pop(0)
        stage.recording.first_part = 2
        stage.of.tell()
        assert numbers(client) == [-1, 3]
        stage.of.ended()
        assert client.poll() == messages.Ended() and silent.poll() is None


def test_the_most_is_wanted_that_any_of_them_wants(stage: Stage) -> None:
    assert stage.of.wanted is None
    with stage.attached() as client:
        assert numbers(client) == [1] and stage.of.wanted is Wanted.SNAPSHOTS
        with stage.attached(Wanted.EVENTS):
            assert stage.of.wanted is Wanted.EVENTS
        stage.look()
        assert stage.of.wanted is Wanted.SNAPSHOTS
        client.want(Wanted.EVENTS)
        stage.look()
        assert stage.of.wanted is Wanted.EVENTS
        assert client._received(0) == messages.Ok(17) and client.poll() is None, "the end is answered, and no more"
    stage.look()
    assert stage.of.wanted is None


def test_who_is_not_attached_wants_nothing(stage: Stage) -> None:
    with stage.connect() as client:
        client.want(Wanted.EVENTS)
        stage.look(2)
        assert has_gone(client)


def test_files_that_are_gone_end_the_connection(stage: Stage) -> None:
    (stage.recording.folder / "1" / partial.LOG).unlink()
    with stage.connect() as client:
        stage.ask(client, messages.Attach(Wanted.SNAPSHOTS))
        stage.look(2)
        assert client._received(0) == messages.Ok(17)
        assert client._received(0) == messages.Refused(messages.Reason.NO_FILES)
        assert has_gone(client)


@pytest.mark.parametrize("data", [b"x", bytes(272), bytes(300), messages.Ok(1).packed()])
def test_who_says_something_else_is_dropped(stage: Stage, data: bytes) -> None:
    with stage.connect() as client, stage.connect() as other, open(__file__, "rb") as file:
        socket.send_fds(client._socket, [data], [file.fileno()])
        before = len(os.listdir("/proc/self/fd"))
        stage.look(2)
        assert has_gone(client) and not has_gone(other)
        assert len(os.listdir("/proc/self/fd")) == before + 1, "the other's; a descriptor that was sent is closed"


def test_who_never_reads_is_dropped(stage: Stage) -> None:
    with stage.connect() as deaf:
        sent = 0
        deaf._socket.setblocking(False)
        for _ in range(100):
            for _ in range(MOST_AT_ONCE):
                try:
                    stage.ask(deaf, messages.Mark(b"x"))
                    sent += 1
                except OSError:
                    break
            stage.look()
        assert 0 < len(stage.recording.marks) < sent
        assert not stage.of._connections


def test_there_are_only_so_many(stage: Stage) -> None:
    clients = [stage.connect() for _ in range(MOST_CLIENTS)]
    stage.look()
    with stage.connect() as late:
        stage.ask(late, messages.Mark(b"x"))
        stage.look()
        with pytest.raises(RequestRefused, match="as many clients"):
            late.mark(b"x")
    clients.pop().close()
    stage.look()
    clients.append(stage.connect())
    stage.look()
    assert len(stage.of._connections) == MOST_CLIENTS and not stage.recording.marks
    for client in clients:
        client.close()


def test_other_users_are_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "peer", lambda _socket: (1, OWNER + 1))
    with stage.connect() as client:
        stage.ask(client, messages.Mark(b"x"))
        stage.look()
        with pytest.raises(RequestRefused, match="only root and the owner"):
            client.mark(b"x")
    assert not stage.recording.marks


def test_clients_cannot_keep_it_busy(stage: Stage) -> None:
    """However much they send, a look takes a little of it, and the next comes a little later."""
    with stage.connect() as client:
        for _ in range(3 * MOST_AT_ONCE):
            stage.ask(client, messages.Mark(b"x"))
        stage.look()  # accepts
        stage.look()
        assert len(stage.recording.marks) == MOST_AT_ONCE
        stage.of.look(stage.now)
        assert len(stage.recording.marks) == MOST_AT_ONCE
        assert stage.of.pause_s(stage.now) == pytest.approx(REST_S)
        stage.look()
        assert len(stage.recording.marks) == 2 * MOST_AT_ONCE
    assert stage.of.pause_s(stage.now) == float("inf")


def test_an_inherited_connection_is_served(tmp_path: Path) -> None:
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    of = Server(Recording(tmp_path), OWNER + 1, None, theirs)
    with Client(mine) as client:
        mine.send(messages.End().packed())
        of.look(1.0)
        assert client._received(0) == messages.Ok(17)
        of.close()
        assert has_gone(client)
