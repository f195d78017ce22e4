"""The messages between a viewer and the process that writes what it asks to save.

Both kinds have one size each, over a socket that keeps message boundaries (SOCK_SEQPACKET). Whoever receives anything
else ends.
"""

from __future__ import annotations

import select
import socket
import struct
from dataclasses import dataclass

from sysmon.bpf.control.messages import Malformed
from sysmon.errors import SysmonError

REQUEST = struct.Struct("<4sQQ")
"""Magic and version, and the part of the recording: its first instant and the first after it [UTC ns]."""

TEXT_BYTES = 400

REPLY = struct.Struct(f"<4sBH{TEXT_BYTES}s")
"""Magic and version, whether it was written, the length of the text in bytes, and the text: the name of the file, or
why there is none.
"""

MAGIC = b"sms1"

MALFORMED = 3
"""The exit status of who writes, after a request that no viewer makes."""

WAIT_S = 120.0
"""How long writing may take."""


class NotSaved(SysmonError):
    """Nothing was written. The text says why."""


@dataclass(frozen=True)
class Save:
    """Asks for a file of [since_ns, until_ns)."""

    since_ns: int
    until_ns: int

    def packed(self) -> bytes:
        """As it is sent."""
        return REQUEST.pack(MAGIC, self.since_ns, self.until_ns)


def request(data: bytes) -> Save:
    """Parses what a viewer sent. Raises Malformed."""
    if len(data) != REQUEST.size or not data.startswith(MAGIC):
        raise Malformed("a message that asks for no file")
    _magic, since_ns, until_ns = REQUEST.unpack(data)
    if since_ns >= until_ns or until_ns >= 1 << 63:
        raise Malformed("a window that cannot be")
    return Save(since_ns, until_ns)


def answer(written: bool, text: str) -> bytes:
    """The answer of who writes, as it is sent."""
    content = text.encode(errors="surrogateescape")[:TEXT_BYTES]
    return REPLY.pack(MAGIC, written, len(content), content)


def _name(data: bytes) -> str:
    """The name of the file. Raises NotSaved, Malformed."""
    if len(data) != REPLY.size or not data.startswith(MAGIC):
        raise Malformed("an answer that is none")
    _magic, written, length, content = REPLY.unpack(data)
    text = str(content[:length], errors="backslashreplace")
    if not written:
        raise NotSaved(text)
    return text


class Saver:
    """The viewer's side."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def save(self, since_ns: int, until_ns: int, wait_s: float = WAIT_S) -> str:
        """Has the part [since_ns, until_ns) written. Returns the name of the file. Raises NotSaved, Malformed."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        try:
            self._socket.send(Save(since_ns, until_ns).packed(), socket.MSG_NOSIGNAL)
            if not poll.poll(wait_s * 1000):
                raise NotSaved(f"nothing was written within {wait_s:.0f} s")
            data = self._socket.recv(REPLY.size + 1)
        except OSError as error:
            raise NotSaved(f"there is nobody who writes ({error.strerror})") from None
        if not data:
            raise NotSaved("there is nobody who writes")
        return _name(data)

    def close(self) -> None:
        """Asks for nothing any more."""
        self._socket.close()
