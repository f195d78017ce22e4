"""Talks with the clients of a recording, from within its loop: nothing here waits.

A client whose buffer is full, who sends something malformed, or who is not permitted is dropped. However much clients
send, they get a bounded share of the loop.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Iterator, Sequence
from typing import Protocol

from sysmon.bpf.control import messages
from sysmon.bpf.control.client import peer
from sysmon.bpf.control.messages import LAYOUT, Malformed, Reason, Reply, Request, Wanted
from sysmon.recorder.control.listener import Listener
from sysmon.recorder.output.protocol import Part

MOST_CLIENTS = 8

MOST_AT_ONCE = 16
"""Requests of a client, and new clients, that a look takes."""

REST_S = 0.01
"""How long after a look the next waits, so that clients cannot keep the recorder busy."""


class Recording(Protocol):
    """What clients ask for."""

    def mark(self, mark: messages.Mark, pid: int, uid: int) -> messages.Ok | messages.Refused:
        """Makes a mark, or says why not."""

    def end(self) -> messages.Ok:
        """Ends it soon, as Ctrl-C does."""

    def now(self) -> messages.Ok:
        """The time."""

    @property
    def parts(self) -> Sequence[Part]:
        """What is there of it, and can be read."""

    @property
    def first_part(self) -> int:
        """The number of the oldest part that is not removed."""


class Gone(Exception):
    """The client has gone, or does not read what it is sent."""


class Connection:
    """One client. `send` and `request` raise Gone."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self.socket = connected
        self.pid, self.uid = peer(connected)
        self.wanted: Wanted | None = None  # None: it is not attached
        self._told: list[int] = []  # parts that it knows of, and that are there

    def send(self, reply: Reply, files: Sequence[int] = ()) -> None:
        """Sends it whole, or not at all."""
        try:
            if files:
                socket.send_fds(self.socket, [reply.packed()], list(files), socket.MSG_NOSIGNAL)
            else:
                self.socket.send(reply.packed(), socket.MSG_NOSIGNAL)
        except OSError:  # EAGAIN: it does not read
            raise Gone from None

    def request(self) -> Request | None:
        """The next; None if there is none now. Descriptors that come with it the kernel closes."""
        try:
            data = self.socket.recv(LAYOUT.size + 1)
        except BlockingIOError:
            return None
        except OSError:
            raise Gone from None
        if not data:
            raise Gone
        return messages.request(data)

    def want(self, wanted: Wanted) -> None:
        """Wants something else. Raises Malformed if it is not attached."""
        if self.wanted is None:
            raise Malformed("it is not attached")
        self.wanted = wanted

    def tell(self, parts: Sequence[Part], first: int) -> None:
        """Tells of parts that have come, and that are gone, since it was told."""
        for number in [number for number in self._told if number < first]:
            self.send(messages.PartGone(number))
            self._told.remove(number)
        for part in [part for part in parts if not self._told or part.number > self._told[-1]]:
            self._send_part(part)
            self._told.append(part.number)

    def _send_part(self, part: Part) -> None:
        with contextlib.ExitStack() as opened:
            try:
                files = [opened.enter_context(file).fileno() for file in part.readers()]
            except OSError:  # somebody removed them
                self.send(messages.Refused(Reason.NO_FILES))
                raise Gone from None
            self.send(messages.Part(part.number, os.fsencode(part.name)), files)


class Server:
    """All clients of a recording."""

    def __init__(
        self, recording: Recording, owner: int, listener: Listener | None, inherited: socket.socket | None
    ) -> None:
        """`owner`: the user whose requests are taken besides root's. `inherited` is connected to a client that is
        trusted. Both sockets are the server's from now on.
        """
        self._recording, self._owner, self._listener = recording, owner, listener
        self._connections: dict[int, Connection] = {}
        self._poll = select.epoll()
        self._outer: select.epoll | None = None
        self._next_s = 0.0  # when to look again, if it is not woken
        self._rests = False
        if listener:
            self._poll.register(listener.socket, select.EPOLLIN)
        if inherited:
            self._take(Connection(inherited))

    @property
    def wanted(self) -> Wanted | None:
        """What those who are attached want; None if nobody is."""
        return max((c.wanted for c in self._connections.values() if c.wanted is not None), default=None)

    @property
    def _attached(self) -> list[Connection]:
        return [connection for connection in self._connections.values() if connection.wanted is not None]

    def register(self, outer: select.epoll) -> None:
        """Has a client's request wake whoever waits for this."""
        self._outer = outer
        outer.register(self._poll.fileno(), select.EPOLLIN | select.EPOLLONESHOT)

    def pause_s(self, now: float) -> float:
        """How long to wait at most, as a request may be there that wakes nobody [s]."""
        return max(0.0, self._next_s - now) if self._rests else float("inf")

    def look(self, now: float) -> None:
        """Does what clients ask for, unless that was a moment ago."""
        if now < self._next_s:
            self._rests = True
            return
        woken = self._poll.poll(0)
        if woken or self._rests:
            self._next_s, self._rests = now + REST_S, False
            for fd, _event in woken:
                if self._listener and fd == self._listener.socket.fileno():
                    self._accept(self._listener.socket)
                else:
                    self._serve(self._connections[fd])
            if self._outer:
                self._outer.modify(self._poll.fileno(), select.EPOLLIN | select.EPOLLONESHOT)

    def tell(self) -> None:
        """Tells those who are attached of parts that have come or gone."""
        for connection in self._attached:
            with self._dropping(connection):
                connection.tell(self._recording.parts, self._recording.first_part)

    def ended(self) -> None:
        """Tells those who are attached that the recording has ended, and its output is finished."""
        for connection in self._attached:
            with self._dropping(connection):
                connection.send(messages.Ended())

    def close(self) -> None:
        """Ends all connections, and removes the socket."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._poll.close()
        if self._listener:
            self._listener.close()

    # -- clients

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(MOST_AT_ONCE):
            try:
                connected, _address = listening.accept()
            except OSError:  # nobody is waiting; or there are too many open files
                return
            self._admit(Connection(connected))

    def _admit(self, new: Connection) -> None:
        reason = None
        if new.uid not in (0, self._owner):
            reason = Reason.NOT_PERMITTED
        elif len(self._connections) >= MOST_CLIENTS:
            reason = Reason.TOO_MANY_CLIENTS
        if reason is None:
            self._take(new)
            return
        with contextlib.suppress(Gone):
            new.send(messages.Refused(reason))
        new.socket.close()

    def _take(self, new: Connection) -> None:
        self._connections[new.socket.fileno()] = new
        self._poll.register(new.socket, select.EPOLLIN)

    def _drop(self, connection: Connection) -> None:
        del self._connections[connection.socket.fileno()]
        self._poll.unregister(connection.socket)
        connection.socket.close()

    @contextlib.contextmanager
    def _dropping(self, connection: Connection) -> Iterator[None]:
        try:
            yield
        except (Gone, Malformed):
            self._drop(connection)

    def _serve(self, connection: Connection) -> None:
        with self._dropping(connection):
            for _ in range(MOST_AT_ONCE):
                request = connection.request()
                if request is None:
                    return
                self._do(request, connection)

    def _do(self, request: Request, connection: Connection) -> None:
        if isinstance(request, messages.Mark):
            connection.send(self._recording.mark(request, connection.pid, connection.uid))
        elif isinstance(request, messages.End):
            connection.send(self._recording.end())
        elif isinstance(request, messages.Want):
            connection.want(request.wanted)
        else:
            connection.wanted = request.wanted
            connection.send(self._recording.now())
            connection.tell(self._recording.parts, self._recording.first_part)
