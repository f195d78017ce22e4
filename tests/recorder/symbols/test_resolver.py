"""The asking side: what it believes of what it is told, how much it asks, and that it never waits."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sysmon.recorder.symbols import broker, reader, wire
from sysmon.recorder.symbols.resolver import (
    CAUSES,
    ENDED,
    LEFT_OUT,
    NO_ROOM,
    NOT_CODE,
    OTHERS,
    QUEUED,
    TOO_LATE,
    Frame,
    Resolved,
    Resolver,
)  # fmt: skip
from tests.live.recording import start_ticks_ns

ME = (7, 1_000_000_000)

NAMED = Frame("f", "/bin/x", "ab", 0x1000, None, None)


@contextmanager
def told(monkeypatch: pytest.MonkeyPatch, say: Callable[[socket.socket, bytes], None]) -> Iterator[Resolver]:
    """With a child that answers each question with `say`."""

    def serve(sock: socket.socket) -> None:
        while question := sock.recv(wire.MESSAGE_BYTES):
            say(sock, question)

    monkeypatch.setattr(broker, "serve", serve)
    resolver = Resolver()
    try:
        yield resolver
    finally:
        resolver.close(0)


def polled(resolver: Resolver, number: int = 1, seconds: float = 10) -> list[Resolved]:
    """At least so many answers."""
    found, until = resolver.poll(), time.monotonic() + seconds
    while len(found) < number and time.monotonic() < until:
        time.sleep(0.002)
        found += resolver.poll()
    return found


def number_of(question: bytes) -> int:
    return int(wire.QUESTION.unpack_from(question)[0])


def answer(question: bytes, *answers: bytes, last: bool = False) -> bytes:
    return wire.ANSWER.pack(number_of(question), 5, last) + b"".join(answers)


def test_what_was_asked_is_believed_once_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def say(sock: socket.socket, question: bytes) -> None:
        sock.sendall(answer(question, *(wire.pack((address, (NAMED,), None)) for address in (1, 2, 2, 3))))
        sock.sendall(wire.ANSWER.pack(12345, 6, False) + wire.pack((1, (NAMED,), None)))
        sock.sendall(answer(question, last=True))
        sock.sendall(answer(question, wire.pack((1, (NAMED,), None))))

    with told(monkeypatch, say) as resolver:
        resolver.ask(*ME, 0, [1, 2, 2])
        assert polled(resolver, 3, 0.3) == [Resolved(*ME, address, (NAMED,)) for address in (1, 2)]
        resolver.ask(*ME, 0, [1])  # again: it runs another program now
        assert polled(resolver) == [Resolved(*ME, 1, (NAMED,))] and not resolver.failed


@pytest.mark.parametrize("rest", [b"", b"x", wire.pack((2, (NAMED,), None))[:-1]])
def test_what_a_reader_leaves_out_is_said(monkeypatch: pytest.MonkeyPatch, rest: bytes) -> None:
    def say(sock: socket.socket, question: bytes) -> None:
        sock.sendall(answer(question, wire.pack((1, (NAMED,), None)), rest, last=True))

    with told(monkeypatch, say) as resolver:
        resolver.ask(*ME, 0, [1, 2])
        assert polled(resolver, 2) == [Resolved(*ME, 1, (NAMED,)), Resolved(*ME, 2, (), LEFT_OUT)]
        assert resolver.failed == {LEFT_OUT: 1}
        resolver.ask(*ME, 0, range(3, 3 + QUEUED // 2))  # they are no longer owed
        assert NO_ROOM not in resolver.failed


def test_causes_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def say(sock: socket.socket, question: bytes) -> None:
        for address in wire.addresses(question[wire.QUESTION.size :]):
            sock.sendall(answer(question, wire.pack((address, (), f"because {address}"))))

    with told(monkeypatch, say) as resolver:
        resolver.ask(*ME, 0, range(1, 200))
        assert len(polled(resolver, 199)) == 199
        assert len(resolver.failed) == CAUSES + 1 and resolver.failed[OTHERS] == 199 - CAUSES


def test_a_question_says_whose_process_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def say(sock: socket.socket, question: bytes) -> None:
        _number, *process = wire.QUESTION.unpack_from(question)
        for address in wire.addresses(question[wire.QUESTION.size :]):
            sock.sendall(answer(question, wire.pack((address, (), repr(process)))))

    with told(monkeypatch, say) as resolver:
        resolver.ask(*ME, 1000, range(1, 600))
        found = polled(resolver, 599)
        assert {each.missing for each in found} == {repr([*ME, 1000])} and len(found) == 599
        assert resolver.failed == {repr([*ME, 1000]): 599}


def test_asking_never_waits_and_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def say(sock: socket.socket, question: bytes) -> None:
        signal.pause()

    with told(monkeypatch, say) as resolver:
        began = time.monotonic()
        for at in range(100):
            resolver.ask(*ME, 0, range(at * 1000, (at + 1) * 1000))
        assert time.monotonic() - began < 5 and resolver.poll() == []
        assert resolver.failed == {NO_ROOM: 100_000 - QUEUED // 2}
        began = time.monotonic()
        assert resolver.close(0.2) == [] and time.monotonic() - began < 5
        assert resolver.failed[TOO_LATE] == QUEUED // 2


def test_each_user_has_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    with told(monkeypatch, lambda _sock, _question: signal.pause()) as resolver:
        refused = [len(resolver.ask(*ME, uid, range(QUEUED))) for uid in range(10)]
        assert refused[0] == QUEUED // 2 and max(refused) < QUEUED
        [again] = resolver.ask(*ME, 0, [QUEUED])
        assert again == Resolved(*ME, QUEUED, (), NO_ROOM)


def test_what_it_had_when_its_child_ended_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    def say(sock: socket.socket, question: bytes) -> None:
        os._exit(0)

    with told(monkeypatch, say) as resolver:
        assert resolver.ask(*ME, 0, [1, 2]) == []
        assert polled(resolver, 2) == [Resolved(*ME, address, (), ENDED) for address in (1, 2)]
        assert resolver.ask(*ME, 0, [3]) == [Resolved(*ME, 3, (), ENDED)] and polled(resolver, 1, 0.1) == []
        assert resolver.failed == {ENDED: 3}


def test_the_end_takes_what_comes_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def say(sock: socket.socket, question: bytes) -> None:
        time.sleep(0.2)
        sock.sendall(answer(question, wire.pack((1, (NAMED,), None))))

    with told(monkeypatch, say) as resolver:
        resolver.ask(*ME, 0, [1])
        assert [each.address for each in resolver.close(10)] == [1] and not resolver.failed


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux")
def test_functions_of_a_process_of_ours() -> None:
    """Whoever we are: here, without a capability that others take."""
    start = start_ticks_ns(os.getpid())
    address = ctypes.cast(ctypes.CDLL(None).malloc, ctypes.c_void_p).value
    data = ctypes.create_string_buffer(8)
    resolver = Resolver()
    try:
        assert address
        resolver.ask(os.getpid(), start, os.getuid(), [address, ctypes.addressof(data)])
        found = {each.address: each for each in polled(resolver, 2)}
        resolver.ask(os.getpid(), 10_000_000, os.getuid(), [address])
        [other] = polled(resolver)
    finally:
        resolver.close(0)
    frame = found[address].frames[0]
    assert "malloc" in frame.function and frame.module and "lib" in frame.module and frame.build_id
    assert (found[ctypes.addressof(data)].frames, found[ctypes.addressof(data)].missing) == ((), NOT_CODE)
    assert other.missing == reader.ENDED  # another process had this pid
