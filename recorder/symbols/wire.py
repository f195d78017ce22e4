"""What parent, broker and readers send each other: fixed framing, all lengths checked, text made harmless."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MESSAGE_BYTES = 1 << 16
"""Maximum size of a message."""

ADDRESS_BYTES = 1 << 15
"""Maximum size of all that is said of one address; outer frames beyond it are left out."""

NAME_BYTES = 4096
"""Names are cut to this."""

FRAMES = 64
"""Maximum number of inlined frames of an address."""

ASKED = 256
"""Maximum number of addresses in a question."""

QUESTION = struct.Struct("=IIQI")
"""Start of a question to the broker: its number, and pid, start [ns] and real user of a process. Addresses follow."""

ANSWER = struct.Struct("=IQ?")
"""Start of the broker's answers to a question: its number, CPU time of all readers so far [ns], and if they are all."""

TO_READER = struct.Struct("=II")
"""Start of a question to a reader: the user, and the process's pid in its own namespace. Addresses follow."""

GO_ON = b"\0"
"""Has a reader take up what it left for later, the oldest first."""

SAYS, DONE, LATER = b"\0", b"\1", b"\2"
"""How a reader's answers begin: more will come; they are all; the rest is left for later."""

_ADDRESS = struct.Struct("=QBh")  # address, number of frames, length of `missing` or -1
_FRAME = struct.Struct("=hhhhqi")  # lengths of four texts or -1; offset and line or -1

NOT_CODE = "no code is there"
"""`missing` of an address that belongs to no code: whoever took it for a caller was wrong."""


class Malformed(Exception):
    """A message that no honest reader sends."""


@dataclass(frozen=True)
class Frame:
    """A function at an address."""

    function: str  # demangled; empty if unknown
    module: str | None  # path in the process's mount namespace; None: code without a file
    build_id: str | None
    offset: int | None  # the address as the symbol table of `module` has it, of the function's beginning if it is known
    # and has no name; None: no such file was read
    file: str | None
    line: int | None


SKIPPED = Frame("", None, None, None, None, None)
"""Stands after the functions at an address whose caller a stack lacks."""

Answer = tuple[int, tuple[Frame, ...], str | None]
"""An address, its frames, the innermost first, and what is missing of them and why."""


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "replace")[:NAME_BYTES]


def _length(text: bytes | None) -> int:
    return -1 if text is None else len(text)


def _packed(frame: Frame) -> bytes:
    texts = [_bytes(text) for text in (frame.function, frame.module, frame.build_id, frame.file)]
    offset = -1 if frame.offset is None else frame.offset & (1 << 63) - 1
    line = -1 if frame.line is None else min(frame.line, (1 << 31) - 1)
    return _FRAME.pack(*map(_length, texts), offset, line) + b"".join(text or b"" for text in texts)


def pack(answer: Answer) -> bytes:
    """At most ADDRESS_BYTES."""
    address, frames, missing = answer
    why, packed = _bytes(missing), list[bytes]()
    size = _ADDRESS.size + NAME_BYTES
    for frame in map(_packed, frames[:FRAMES]):
        size += len(frame)
        if size > ADDRESS_BYTES:
            break
        packed.append(frame)
    return _ADDRESS.pack(address, len(packed), _length(why)) + (why or b"") + b"".join(packed)


def addresses(packed: bytes) -> tuple[int, ...]:
    """The addresses of a question."""
    return struct.unpack(f"={len(packed) // 8}Q", packed)


class _Text:
    """Takes fields off a message."""

    def __init__(self, message: bytes) -> None:
        self._message, self.at = message, 0

    def fields(self, of: struct.Struct) -> tuple[int, ...]:
        if self.at + of.size > len(self._message):
            raise Malformed
        self.at += of.size
        return of.unpack_from(self._message, self.at - of.size)

    def text(self, length: int) -> str | None:
        if length < 0:
            return None
        if length > NAME_BYTES or self.at + length > len(self._message):
            raise Malformed
        self.at += length
        said = self._message[self.at - length : self.at].decode("utf-8", "replace")
        return said if said.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in said)


def unpack(message: bytes) -> Iterator[Answer]:
    """Raises Malformed."""
    left = _Text(message)
    while left.at < len(message):
        address, number, length = left.fields(_ADDRESS)
        if number > FRAMES:
            raise Malformed
        missing = left.text(length)
        yield address, tuple(_frame(left) for _ in range(number)), missing


def _frame(left: _Text) -> Frame:
    *lengths, offset, line = left.fields(_FRAME)
    function, module, build_id, file = (left.text(length) for length in lengths)
    known_line = None if line < 0 else line
    return Frame(function or "", module, build_id, None if offset < 0 else offset, file, known_line)
