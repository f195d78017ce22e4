"""What a viewer asks to save: fixed-size messages, of which anything else is malformed."""

from __future__ import annotations

import socket
import threading

import pytest

from sysmon.bpf.control import saving
from sysmon.bpf.control.messages import Malformed
from sysmon.bpf.control.saving import NotSaved, Save, Saver


def test_a_request_is_what_was_asked() -> None:
    assert saving.request(Save(3, 5).packed()) == Save(3, 5)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        Save(3, 5).packed()[:-1],
        Save(3, 5).packed() + b"\0",
        b"sms2" + Save(3, 5).packed()[4:],
        Save(5, 5).packed(),
        Save(0, 1 << 63).packed(),
    ],
)
def test_anything_else_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        saving.request(data)


def _answer(to: socket.socket, answer: bytes) -> None:
    to.recv(100)
    if answer:
        to.send(answer)
    else:
        to.close()


def asked(answer: bytes) -> str:
    """What becomes of an answer."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        answering = threading.Thread(target=_answer, args=(theirs, answer))
        answering.start()
        try:
            return Saver(ours).save(3, 5)
        finally:
            answering.join()


def test_an_answer_is_a_name_or_why_there_is_none() -> None:
    assert asked(saving.answer(True, "live-1.parquet")) == "live-1.parquet"
    with pytest.raises(NotSaved, match="the disk is full"):
        asked(saving.answer(False, "the disk is full"))
    with pytest.raises(NotSaved, match="nobody who writes"):
        asked(b"")
    with pytest.raises(Malformed):
        asked(b"anything else")
    assert asked(saving.answer(True, "x" * 1000)) == "x" * saving.TEXT_BYTES
