"""The messages between a recorder and its clients.

The socket keeps message boundaries (SOCK_SEQPACKET). All messages have one size and one layout, `LAYOUT`. A client
sends requests; the recorder answers each but `Want`, in order, with `Ok` or `Refused`, and in between sends news to
clients that asked for it. Whoever receives anything else closes the connection.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from sysmon.errors import SysmonError

LAYOUT = struct.Struct("<4sBBHQ256s")
"""Magic and version, what it is, a flag or a reason, length of the text in bytes, a number, and the text with zeros
behind it.
"""

MAGIC = b"smc1"

MOST_TEXT_BYTES = 200
"""Of a mark."""

PART_FILES = 4
"""Descriptors that come with a part: its rows, its log and both journals, see `trace_file/partial.py`."""


class Malformed(SysmonError):
    """What came is no message of this protocol."""


class What(IntEnum):
    """What a message is. Requests are below 64."""

    MARK = 1
    ATTACH = 2
    END = 3
    WANT = 4
    OK = 64
    REFUSED = 65
    PART = 66
    PART_GONE = 67
    ENDED = 68


class Wanted(IntEnum):
    """What an attached client wants to read soon."""

    SNAPSHOTS = 0
    """Each snapshot, with what came before it, as soon as it is taken: what a screen of tables needs."""
    EVENTS = 1
    """Each event within 0.3 s, which takes the recorder more CPU time."""


class Reason(IntEnum):
    """Why a request, or a client, is refused."""

    TOO_LONG = 1
    TOO_MANY_MARKS = 2
    NOT_TEXT = 3
    TOO_MANY_CLIENTS = 4
    NOT_PERMITTED = 5
    NO_FILES = 6
    NOT_RECORDED = 7


REASONS = {
    Reason.TOO_LONG: f"the text is longer than {MOST_TEXT_BYTES} bytes: shorten it",
    Reason.TOO_MANY_MARKS: "a recording takes 10 marks a second and 10,000 in all: this one is counted as lost",
    Reason.NOT_TEXT: "the text is empty, not UTF-8, or has a NUL: give it another",
    Reason.TOO_MANY_CLIENTS: "the recording already has as many clients as it takes: try again later",
    Reason.NOT_PERMITTED: "only root and the owner of the recording may do that: use sudo",
    Reason.NO_FILES: "the files of the recording cannot be opened: was its directory removed?",
    Reason.NOT_RECORDED: "the recording was started without marks: leave out `--without mark`",
}
"""What to tell a user."""


# -- requests


@dataclass(frozen=True)
class Mark:
    """Asks for a mark with this text, which a recorder refuses if `problem` finds one."""

    text: bytes

    def packed(self) -> bytes:
        return _packed(What.MARK, text=self.text)

    def problem(self) -> Reason | None:
        """Why no row can have this text."""
        if len(self.text) > MOST_TEXT_BYTES:
            return Reason.TOO_LONG
        try:
            text = self.text.decode()
        except UnicodeDecodeError:
            return Reason.NOT_TEXT
        return Reason.NOT_TEXT if not text or "\0" in text else None


@dataclass(frozen=True)
class Attach:
    """Asks for the descriptors of what is recorded, and for news of it until the connection ends."""

    wanted: Wanted

    def packed(self) -> bytes:
        return _packed(What.ATTACH, code=self.wanted)


@dataclass(frozen=True)
class Want:
    """Says that a client which is attached wants something else from now on. It is not answered."""

    wanted: Wanted

    def packed(self) -> bytes:
        return _packed(What.WANT, code=self.wanted)


@dataclass(frozen=True)
class End:
    """Asks for the end of the recording, as Ctrl-C does."""

    def packed(self) -> bytes:
        return _packed(What.END)


Request = Mark | Attach | Want | End


# -- answers and news


@dataclass(frozen=True)
class Ok:
    """The request was done, at this time [ns, UTC]: that of the mark's row."""

    time_ns: int

    def packed(self) -> bytes:
        return _packed(What.OK, number=self.time_ns)


@dataclass(frozen=True)
class Refused:
    """The request was not done. A refused client gets this in place of an answer, and no more."""

    reason: Reason

    def packed(self) -> bytes:
        return _packed(What.REFUSED, code=self.reason)


@dataclass(frozen=True)
class Part:
    """A part of what is recorded, the first or one that was begun: PART_FILES read-only descriptors come with it.

    Numbers grow. `name` is that of its directory, as bytes, which need not be UTF-8; `.` and `..` it never is.
    """

    number: int
    name: bytes

    def packed(self) -> bytes:
        return _packed(What.PART, number=self.number, text=self.name)


@dataclass(frozen=True)
class PartGone:
    """The recorder has removed this part: what it held is no longer in the recording."""

    number: int

    def packed(self) -> bytes:
        return _packed(What.PART_GONE, number=self.number)


@dataclass(frozen=True)
class Ended:
    """The recording has ended and its output is finished. Nothing comes after it."""

    def packed(self) -> bytes:
        return _packed(What.ENDED)


Reply = Ok | Refused | Part | PartGone | Ended

_Message = TypeVar("_Message", bound=Request | Reply)


# -- layout


@dataclass(frozen=True)
class _Fields:
    what: int
    code: int
    number: int
    text: bytes


def _packed(what: What, code: int = 0, number: int = 0, text: bytes = b"") -> bytes:
    return LAYOUT.pack(MAGIC, what, code, len(text), number, text)


def _fields(data: bytes) -> _Fields:
    """Raises Malformed, also for bytes behind the text: one message has one form."""
    if len(data) != LAYOUT.size:
        raise Malformed(f"a message of {len(data)} bytes")
    magic, what, code, length, number, padded = LAYOUT.unpack(data)
    if magic != MAGIC:
        raise Malformed("a message of another protocol or version")
    text = padded[:length]
    if len(text) != length or any(padded[length:]):
        raise Malformed("a text of another length")
    return _Fields(what, code, number, text)


def request(data: bytes) -> Request:
    """Parses what a client sent. Raises Malformed."""
    f = _fields(data)
    found: Request
    if f.what == What.MARK:
        found = Mark(f.text)
    elif f.what == What.ATTACH:
        found = Attach(_wanted(f.code))
    elif f.what == What.WANT:
        found = Want(_wanted(f.code))
    elif f.what == What.END:
        found = End()
    else:
        raise Malformed(f"no request has number {f.what}")
    return _only(found, data)


def reply(data: bytes) -> Reply:
    """Parses what a recorder sent. Raises Malformed."""
    f = _fields(data)
    found: Reply
    if f.what == What.OK:
        found = Ok(f.number)
    elif f.what == What.REFUSED:
        found = Refused(_reason(f.code))
    elif f.what == What.PART:
        found = Part(f.number, _file_name(f.text))
    elif f.what == What.PART_GONE:
        found = PartGone(f.number)
    elif f.what == What.ENDED:
        found = Ended()
    else:
        raise Malformed(f"no reply has number {f.what}")
    return _only(found, data)


def _only(found: _Message, data: bytes) -> _Message:
    """The message, if nothing but it was in the data."""
    if found.packed() != data:
        raise Malformed("fields that this message does not have")
    return found


def _wanted(code: int) -> Wanted:
    try:
        return Wanted(code)
    except ValueError:
        raise Malformed(f"nothing to want has number {code}") from None


def _reason(code: int) -> Reason:
    try:
        return Reason(code)
    except ValueError:
        raise Malformed(f"no reason has number {code}") from None


def _file_name(name: bytes) -> bytes:
    if not name or name in (b".", b"..") or b"/" in name or b"\0" in name:
        raise Malformed("a part without a file name")
    return name
