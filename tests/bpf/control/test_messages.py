"""Every message is read as it was written, and nothing else is a message."""

from __future__ import annotations

import pytest

from sysmon.bpf.control import messages
from sysmon.bpf.control.messages import LAYOUT, Malformed, Mark, Reason, Wanted

REQUESTS: tuple[messages.Request, ...] = (
    Mark("deploy 42, größer".encode()),
    Mark(b"x" * 256),
    *(messages.Attach(wanted) for wanted in Wanted),
    *(messages.Want(wanted) for wanted in Wanted),
    messages.End(),
)

REPLIES: tuple[messages.Reply, ...] = (
    messages.Ok(1_790_000_000_123_456_789),
    *(messages.Refused(reason) for reason in Reason),
    messages.Part(7, b".t\xff.parquet.0123abcd-000007.partial"),
    messages.PartGone(3),
    messages.Ended(),
)


def test_messages_are_read_as_they_were_written() -> None:
    for request in REQUESTS:
        assert messages.request(request.packed()) == request
    for reply in REPLIES:
        assert messages.reply(reply.packed()) == reply
    assert {len(message.packed()) for message in (*REQUESTS, *REPLIES)} == {LAYOUT.size}


def test_a_side_takes_no_message_of_the_other() -> None:
    for reply in REPLIES:
        with pytest.raises(Malformed):
            messages.request(reply.packed())
    for request in REQUESTS:
        with pytest.raises(Malformed):
            messages.reply(request.packed())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"MARK deploy",
        bytes(LAYOUT.size),
        b"\xff" * LAYOUT.size,
        messages.End().packed() + b"\0",
        messages.End().packed()[:-1],
        b"smc2" + messages.End().packed()[4:],
        LAYOUT.pack(b"smc1", 1, 0, 257, 0, b"x" * 256),  # longer than its field
        LAYOUT.pack(b"smc1", 1, 0, 3, 0, b"abcd"),  # a text behind the text
        LAYOUT.pack(b"smc1", 3, 0, 1, 0, b"x"),  # a text that an end does not have
        LAYOUT.pack(b"smc1", 2, 2, 0, 0, b""),  # nothing to want
        LAYOUT.pack(b"smc1", 9, 0, 0, 0, b""),
        LAYOUT.pack(b"smc1", 65, 99, 0, 0, b""),
        LAYOUT.pack(b"smc1", 66, 0, 2, 0, b".."),
        LAYOUT.pack(b"smc1", 66, 0, 3, 0, b"a/b"),
    ],
)
def test_anything_else_is_malformed(data: bytes) -> None:
    for read in (messages.request, messages.reply):
        with pytest.raises(Malformed):
            read(data)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"x" * 200, None),
        (b"x" * 201, Reason.TOO_LONG),
        ("ü".encode() * 101, Reason.TOO_LONG),
        (b"\x1b[2J\n", None),
        (b"a\xffb", Reason.NOT_TEXT),
        (b"a\0b", Reason.NOT_TEXT),
        (b"", Reason.NOT_TEXT),
    ],
)
def test_what_no_mark_can_say(text: bytes, problem: Reason | None) -> None:
    assert Mark(text).problem() == problem
