"""Asks for the names of addresses of live processes, and takes the answers. Nothing here waits or opens a file."""

from __future__ import annotations

import contextlib
import select
import struct
import time
from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass

from sysmon.recorder.own.delegate import Child
from sysmon.recorder.symbols import broker, wire
from sysmon.recorder.symbols.wire import NOT_CODE, Frame

QUEUED = 1 << 17
"""Maximum number of addresses that are asked for and not answered. A user gets no more of them than are left for
others.
"""

POLL_S = 0.02
"""How long a `poll` takes messages; of one of 10 addresses it takes 0.1 ms."""

CAUSES = 64
"""Maximum number of causes that are counted apart."""

ENDED = "the reader of symbols has ended"
NO_ROOM = "too many addresses at a time"
LEFT_OUT = "the reader of symbols left it out"
TOO_LATE = "the recording ended"
OTHERS = "other causes"

__all__ = ["NOT_CODE", "Frame", "Resolved", "Resolver"]


@dataclass(frozen=True)
class Resolved:
    """An address of a process. `frames`: the innermost inlined one first. `missing`: what is not known, and why."""

    pid: int
    start: int
    address: int
    frames: tuple[Frame, ...]
    missing: str | None = None


@dataclass
class _Question:
    pid: int
    start: int
    uid: int
    open: set[int]
    """Addresses that are not answered."""


class Resolver:
    """Create it before capabilities are dropped and threads start: its child keeps the few that opening files takes."""

    def __init__(self) -> None:
        self._child = Child(broker.serve, broker.KEPT, prepare=broker.prepare)
        self._child.socket.setblocking(False)
        self._queue: deque[bytes] = deque()
        self._wanted: dict[tuple[int, int, int], dict[int, None]] = {}  # by pid, start and user: not asked for yet
        self._questions: dict[int, _Question] = {}
        self._number = 0
        self._open: Counter[int] = Counter()  # addresses that are not answered, by user
        self._readers_ns = 0
        self._ended = self._closed = False
        self.failed: Counter[str] = Counter()
        """Addresses of which something is unknown, by cause. A reader may have made a cause up."""

    @property
    def pid(self) -> int:
        """The child's pid; its readers are its children."""
        return self._child.pid

    def cpu_ns(self) -> int:
        """CPU time of the child and, up to its last answer, of its readers."""
        return self._child.cpu_ns() + self._readers_ns

    def ask(self, pid: int, start: int, uid: int, addresses: Collection[int]) -> list[Resolved]:
        """Has the next `poll` ask for addresses of code in a process of this real user. Answers those that it refuses.

        Of a return address ask for the byte before: it belongs to the call.
        """
        wanted = self._wanted.get((pid, start, uid), {})
        new = [address for address in dict.fromkeys(addresses) if address not in wanted]
        room, why = (0, ENDED) if self._ended else (self._room(uid), NO_ROOM)
        if taken := new[:room]:
            self._open[uid] += len(taken)
            self._wanted.setdefault((pid, start, uid), wanted).update(dict.fromkeys(taken))
        self._failed(why, len(new) - len(taken))
        return [Resolved(pid, start, address, (), why) for address in new[room:]]

    def _room(self, uid: int) -> int:
        return max(QUEUED - self._open.total() - self._open[uid], 0) // 2

    def poll(self) -> list[Resolved]:
        """Asks, and returns the answers since the last call. Never waits."""
        self._ask()
        found: list[Resolved] = []
        until = time.monotonic() + POLL_S
        while time.monotonic() < until:
            try:
                message = self._child.socket.recv(wire.ANSWER.size + wire.MESSAGE_BYTES)
            except BlockingIOError:
                break
            except OSError:
                message = b""
            if not message:
                found += self._end(ENDED)
                break
            self._take(message, found)
        self._send()
        return found

    def close(self, wait_s: float) -> list[Resolved]:
        """Ends the child, and returns the answers that came within `wait_s`. Again, it does nothing."""
        if self._closed:
            return []
        self._closed = True
        until, found = time.monotonic() + wait_s, self.poll()
        poll = select.poll()
        poll.register(self._child.socket, select.POLLIN)
        while self._open and not self._ended and (left := until - time.monotonic()) > 0:
            poll.poll(min(left, 0.1) * 1000)
            found += self.poll()
        self._end(TOO_LATE)
        self._child.end()
        return found

    def _ask(self) -> None:
        """Makes one question of all that is wanted of a process: what it costs hardly depends on how much that is."""
        for (pid, start, uid), wanted in self._wanted.items():
            addresses = list(wanted)
            for at in range(0, len(addresses), wire.ASKED):
                some = addresses[at : at + wire.ASKED]
                self._number = (self._number + 1) % 2**32
                self._questions[self._number] = _Question(pid, start, uid, set(some))
                head = wire.QUESTION.pack(self._number, pid, start, uid)
                self._queue.append(head + struct.pack(f"={len(some)}Q", *some))
        self._wanted.clear()
        self._send()

    def _send(self) -> None:
        with contextlib.suppress(OSError):  # it has not taken earlier ones yet, or it has ended: `poll` sees that
            while self._queue:
                self._child.socket.send(self._queue[0])
                self._queue.popleft()

    def _take(self, message: bytes, found: list[Resolved]) -> None:
        number, self._readers_ns, last = wire.ANSWER.unpack_from(message)
        question = self._questions.get(number)
        if question is None:
            return
        with contextlib.suppress(wire.Malformed):  # what is missing is said at the last
            for answer in wire.unpack(message[wire.ANSWER.size :]):
                self._answered(question, answer, found)
        if last:
            del self._questions[number]
            for address in list(question.open):
                self._answered(question, (address, (), LEFT_OUT), found)

    def _answered(self, question: _Question, answer: wire.Answer, found: list[Resolved]) -> None:
        address, frames, missing = answer
        if address not in question.open:  # a reader is not believed if it says more than it was asked
            return
        question.open.discard(address)
        self._open[question.uid] -= 1
        if not self._open[question.uid]:
            del self._open[question.uid]
        found.append(Resolved(question.pid, question.start, address, frames, missing))
        if missing:
            self._failed(missing, 1)

    def _failed(self, why: str, number: int) -> None:
        if number:
            self.failed[why if why in self.failed or len(self.failed) < CAUSES else OTHERS] += number

    def _end(self, why: str) -> list[Resolved]:
        """Answers all that is open, and takes no more."""
        asked = [(each.pid, each.start, each.open) for each in self._questions.values()]
        asked += [(pid, start, set(wanted)) for (pid, start, _uid), wanted in self._wanted.items()]
        self._failed(why, self._open.total())
        self._ended = True
        for each in (self._questions, self._open, self._queue, self._wanted):
            each.clear()
        return [Resolved(pid, start, address, (), why) for pid, start, some in asked for address in some]
