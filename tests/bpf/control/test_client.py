"""A client waits for a recorder only so long, and believes nothing it says."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator

import pytest

from sysmon.bpf.control import messages
from sysmon.bpf.control.client import Client, NoAnswer, PartFiles, RequestRefused
from sysmon.bpf.control.messages import Malformed, Reason


@pytest.fixture
def both() -> Iterator[tuple[Client, socket.socket]]:
    """A client, and the recorder's side of its connection."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with Client(mine) as client, theirs:
        yield client, theirs


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def part(number: int, server: socket.socket, files: int = 4) -> None:
    with open(__file__, "rb") as file:
        socket.send_fds(server, [messages.Part(number, b".t.partial").packed()], [file.fileno()] * files)


def test_answers_are_told_apart_from_news(both: tuple[Client, socket.socket]) -> None:
    client, server = both
    part(1, server)
    server.send(messages.PartGone(1).packed())
    server.send(messages.Ok(17).packed())
    server.send(messages.Ended().packed())
    assert client.mark(b"deploy") == 17
    assert messages.request(server.recv(1000)) == messages.Mark(b"deploy")
    found, *others = client.news()
    assert isinstance(found, PartFiles) and (found.number, found.name) == (1, ".t.partial")
    assert not any(map(os.get_inheritable, (found.rows, found.log, *found.journals)))
    assert others == [messages.PartGone(1), messages.Ended()]
    found.close()
    assert client.poll() is None


def test_a_refusal_is_said_even_if_the_recorder_has_closed(both: tuple[Client, socket.socket]) -> None:
    client, server = both
    server.send(messages.Refused(Reason.TOO_MANY_CLIENTS).packed())
    server.close()
    with pytest.raises(RequestRefused, match="as many clients as it takes"):
        client.mark(b"deploy")
    with pytest.raises(NoAnswer, match="has ended"):
        client.mark(b"again")


def test_a_text_that_is_too_long_is_not_sent(both: tuple[Client, socket.socket]) -> None:
    client, server = both
    with pytest.raises(RequestRefused, match="longer than 200 bytes"):
        client.mark(b"x" * 201)
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(1)


def test_no_wait_is_longer_than_its_bound(both: tuple[Client, socket.socket]) -> None:
    client, _server = both
    began = time.monotonic()
    for _ in range(1000):  # and so the recorder's buffer is full
        with pytest.raises(NoAnswer, match="is it stopped"):
            client.mark(b"x", wait_s=0)
    with pytest.raises(NoAnswer):
        client.end(wait_s=0.02)
    assert client.poll(0.02) is None
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("files", [0, 1, 3, 5])
def test_a_part_has_four_descriptors(both: tuple[Client, socket.socket], files: int) -> None:
    client, server = both
    part(1, server, files)
    before = open_descriptors()
    if files == 5:  # the kernel drops one for which there is no room, and four are a part
        news = client.poll()
        assert isinstance(news, PartFiles)
        news.close()
    else:
        with pytest.raises(Malformed):
            client.poll()
    assert open_descriptors() == before


@pytest.mark.parametrize("data", [b"x", bytes(272), bytes(300), messages.Ok(1).packed()])
def test_what_no_recorder_says_is_malformed(both: tuple[Client, socket.socket], data: bytes) -> None:
    client, server = both
    server.send(data)
    with pytest.raises(Malformed):
        client.poll()


def test_parts_that_are_not_taken_are_closed(both: tuple[Client, socket.socket]) -> None:
    client, server = both
    before = open_descriptors()
    part(1, server)
    server.send(messages.Ok(1).packed())
    client.attach()
    assert open_descriptors() == before + 4
    client.close()
    assert open_descriptors() == before - 1
