"""A client of a recorder: it marks, ends, or follows a recording.

Every wait has a bound, whatever the recorder does. What comes is checked: a client may be root's, and the recorder any
user's.
"""

from __future__ import annotations

import array
import contextlib
import os
import select
import socket
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sysmon.bpf.control import messages
from sysmon.bpf.control.messages import LAYOUT, PART_FILES, REASONS, Malformed, Request, Wanted
from sysmon.errors import SysmonError

WAIT_S = 5.0
"""How long a recorder may take to answer: a snapshot of a machine with very many processes takes a second."""

MOST_NEWS = 1024
"""News that may come before an answer. No recorder has so many parts."""


class NoAnswer(SysmonError):
    """The recorder does not answer, or has ended."""


class RequestRefused(SysmonError):
    """The recorder does not do what it was asked. `reason` says why."""

    def __init__(self, reason: messages.Reason) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason


@dataclass(frozen=True)
class PartFiles:
    """A part of what is recorded: its number, the name of its directory, and its files, open for reading.

    They are descriptors of the rows, the log and the two journals, each with a position of its own; whoever takes a
    part closes them. They stay readable when the recorder removes the files.
    """

    number: int
    name: str
    rows: int
    log: int
    journals: tuple[int, int]

    def close(self) -> None:
        """Closes the descriptors."""
        for fd in (self.rows, self.log, *self.journals):
            os.close(fd)


News = PartFiles | messages.PartGone | messages.Ended
"""What a client that is attached gets."""


class Client:
    """One connection to a recorder.

    Methods raise NoAnswer and Malformed, after which it is of no use, and RequestRefused.
    """

    def __init__(self, connected: socket.socket) -> None:
        """`connected` is a SOCK_SEQPACKET socket of the Unix domain, which the client closes."""
        connected.setblocking(False)
        self._socket = connected
        self._news: deque[News] = deque()

    @classmethod
    def connect(cls, directory: int, name: str, wait_s: float = WAIT_S) -> Self:
        """To the socket of this name in an open directory. Raises NoAnswer; OSError if nobody listens there."""
        until = time.monotonic() + wait_s
        new = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            new.setblocking(False)
            while not _connected(new, f"/proc/self/fd/{directory}/{name}"):
                if time.monotonic() > until:
                    raise NoAnswer("the recorder does not answer: is it stopped?")
                time.sleep(0.01)
        except BaseException:
            new.close()
            raise
        return cls(new)

    @classmethod
    def inherited(cls, fd: int) -> Self:
        """Over a connection that this process was started with. Raises OSError."""
        return cls(socket.socket(fileno=fd))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection, and closes what came and was not taken."""
        self._socket.close()
        for news in self._news:
            if isinstance(news, PartFiles):
                news.close()
        self._news.clear()

    def fileno(self) -> int:
        """For poll(2): it is readable when there may be news."""
        return self._socket.fileno()

    def peer_uid(self) -> int:
        """The user on the other side, as the kernel has it."""
        return peer(self._socket)[1]

    # -- requests

    def mark(self, text: bytes, wait_s: float = WAIT_S) -> int:
        """Marks the recording now. Returns the time that the recorder gave it [ns, UTC]."""
        mark = messages.Mark(text)
        if problem := mark.problem():
            raise RequestRefused(problem)
        return self._ask(mark, wait_s)

    def attach(self, wanted: Wanted = Wanted.SNAPSHOTS, wait_s: float = WAIT_S) -> None:
        """From now on `poll` has the parts of the recording, those that there are first."""
        self._ask(messages.Attach(wanted), wait_s)

    def want(self, wanted: Wanted) -> None:
        """Wants something else from now on, if it is attached. Does not wait, and has no answer."""
        self._send(messages.Want(wanted).packed(), 0.0)

    def end(self, wait_s: float = WAIT_S) -> None:
        """Has the recorder end the recording, as Ctrl-C does. Does not wait for that: `Ended` says it."""
        self._ask(messages.End(), wait_s)

    def poll(self, wait_s: float = 0.0) -> News | None:
        """The next news; None if there is none within this time. After `Ended` there is NoAnswer."""
        until = time.monotonic() + wait_s
        while not self._news:
            reply = self._received(until)
            if reply is None:
                return None
            if not isinstance(reply, News):
                raise Malformed("the recorder answers what was not asked")
            self._news.append(reply)
        return self._news.popleft()

    def news(self) -> Iterator[News]:
        """What has come so far. Does not wait."""
        while (found := self.poll()) is not None:
            yield found

    def _ask(self, request: Request, wait_s: float) -> int:
        until = time.monotonic() + wait_s
        self._send(request.packed(), until)
        for _ in range(MOST_NEWS):
            reply = self._received(until)
            if reply is None:
                raise NoAnswer("the recorder does not answer: is it stopped?")
            if isinstance(reply, messages.Ok):
                return reply.time_ns
            if isinstance(reply, messages.Refused):
                raise RequestRefused(reply.reason)
            self._news.append(reply)
        raise Malformed("the recorder has too much news")

    def _send(self, data: bytes, until: float) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        while True:
            # Who was refused reads why, even if the other end is closed by now.
            with contextlib.suppress(BlockingIOError, ConnectionError):
                self._socket.send(data, socket.MSG_NOSIGNAL)
                return
            left_s = until - time.monotonic()
            if left_s <= 0 or poll.poll(left_s * 1000) != [(self.fileno(), select.POLLOUT)]:
                return

    def _received(self, until: float) -> messages.Ok | messages.Refused | News | None:
        """What comes next; None if nothing does until then."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while True:
            with contextlib.suppress(BlockingIOError):
                return _understood(*_received(self._socket))
            left_s = until - time.monotonic()
            if left_s <= 0:
                return None
            poll.poll(left_s * 1000)


def peer(connected: socket.socket) -> tuple[int, int]:
    """Process and user on the other side when it connected, from SO_PEERCRED of unix(7). Raises OSError."""
    found = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid, _gid = array.array("i", found)
    return pid, uid & 0xFFFFFFFF


def _connected(new: socket.socket, path: str) -> bool:
    """Whether it is connected now; if not, the recorder has not accepted those before."""
    try:
        new.connect(path)
    except BlockingIOError:
        return False
    return True


def _received(connected: socket.socket) -> tuple[bytes, list[int]]:
    """A message, and the descriptors that came with it; nothing at the end. Raises BlockingIOError."""
    room = socket.CMSG_SPACE(PART_FILES * array.array("i").itemsize)
    # One byte more than a message has tells one that is too long.
    how = (LAYOUT.size + 1, room, socket.MSG_CMSG_CLOEXEC)
    try:
        data, control, _flags, _address = connected.recvmsg(*how)
    except ConnectionResetError:  # told once, before what was sent earlier
        data, control, _flags, _address = connected.recvmsg(*how)
    fds = array.array("i")
    for level, kind, content in control:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return data, list(fds)


def _understood(data: bytes, fds: list[int]) -> messages.Ok | messages.Refused | News:
    try:
        if not data:
            raise NoAnswer("the recorder has ended")
        reply = messages.reply(data)
        if len(fds) != (PART_FILES if isinstance(reply, messages.Part) else 0):
            raise Malformed("a message with another number of descriptors")
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise
    if not isinstance(reply, messages.Part):
        return reply
    rows, log, *journals = fds
    return PartFiles(reply.number, os.fsdecode(reply.name), rows, log, (journals[0], journals[1]))
