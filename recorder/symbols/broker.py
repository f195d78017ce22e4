"""Has the questions about processes answered by readers: opens what they need, and parses nothing of a process.

A reader (`reader.py`) is a child that runs as one user, with no capability, and answers about that user's processes
only. It may crash, hang or lie: what it says is passed on as the answer about the process it was asked about, and goes
through `wire.unpack` in the recorder.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from sysmon.recorder.own import capabilities, ownership
from sysmon.recorder.own.delegate import Child
from sysmon.recorder.sample import procfs
from sysmon.recorder.symbols import reader as reader_of_symbols
from sysmon.recorder.symbols import wire
from sysmon.recorder.symbols.turns import Turns

KEPT = frozenset({"CAP_SYS_PTRACE", "CAP_SETUID", "CAP_SETGID", "CAP_KILL"})
"""To open what /proc tells of any process, and to start readers as other users and end them."""

READERS = 4
"""Maximum number of readers at a time."""

ANSWER_S = 10.0
"""How long a reader may take over a question."""

OPENED = {"maps": os.O_RDONLY, "root": os.O_PATH | os.O_DIRECTORY, "exe": os.O_PATH}
"""What is opened of a process. O_PATH: so no file system other than /proc can make us wait."""

CRASHED = "the reader of symbols crashed"
TOO_SLOW = "the reader of symbols took too long"
GIVEN_UP = "the reader of symbols crashed too often"
OTHER_USER = "the process had changed its user"
NOT_PERMITTED = "not permitted to read the process"

_libc = ctypes.CDLL(None, use_errno=True)


def prepare() -> None:
    """Removes what is shared with the recorder: buffers that the kernel fills for it, which only it is to read."""
    with open("/proc/self/maps", "rb") as file:
        lines = file.read().split(b"\n")
    for span, permissions in (line.split(b" ", 2)[:2] for line in lines if line):
        if permissions.endswith(b"s"):
            begin, end = (int(at, 16) for at in span.split(b"-"))
            _libc.munmap(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin))


def serve(sock: socket.socket) -> None:
    """Answers until the other end is closed. Its readers end with it."""
    broker = Broker(sock)
    while broker.turn():
        pass


class _Who(NamedTuple):
    """Whom a reader runs as."""

    uid: int
    gid: int


@dataclass
class _Question:
    number: int
    pid: int
    start: int
    uid: int
    addresses: bytes
    is_late: bool = False

    def missing(self, why: str) -> list[bytes]:
        """Answers that there is none."""
        answers = [wire.pack((address, (), why)) for address in wire.addresses(self.addresses)]
        return [b"".join(answers[at : at + 64]) for at in range(0, len(answers), 64)]


@dataclass
class _Reader:
    child: Child
    question: _Question | None = None
    later: deque[_Question] = field(default_factory=deque)
    """What it left of earlier questions: what takes long, as debug information, waits for what does not."""
    until: float = 0.0
    had_time: bool = False
    """Whether it has gone on with what it had left."""

    def begin(self, question: _Question) -> None:
        """It has this question now."""
        self.question, self.until = question, time.monotonic() + ANSWER_S

    def stop(self) -> int:
        """It has none any more. Returns how long it had it [ns]."""
        self.had_time |= self.question is not None and self.question.is_late
        self.question = None
        return int((ANSWER_S - (self.until - time.monotonic())) * 1e9)

    @property
    def may_end(self) -> bool:
        """Whether it may be ended for another: it has no question and, if it left some, has had time for one."""
        return not self.question and (not self.later or self.had_time)


class Broker:
    """Has one question of each user in work at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._waiting: OrderedDict[int, deque[_Question]] = OrderedDict()  # by user; that served last is the last
        self._readers: OrderedDict[_Who, _Reader] = OrderedDict()  # that used last is the last
        self._turns = Turns()
        self._ended_ns = 0
        self._may_become = {"CAP_SETUID", "CAP_SETGID"} <= capabilities.effective()

    def turn(self) -> bool:
        """Waits for something to do, and does it. Returns whether there may be more."""
        self._start()
        busy = {reader.child.socket.fileno(): who for who, reader in self._readers.items() if reader.question}
        poll = select.poll()
        for fd in (self._sock.fileno(), *busy):
            poll.register(fd, select.POLLIN)
        for fd, _events in poll.poll(self._wait_ms()):
            if fd in busy:
                self._pass_on(busy[fd])
            elif not self._take():
                return False
        self._end_late()
        return True

    def _wait_ms(self) -> int | None:
        until = min((reader.until for reader in self._readers.values() if reader.question), default=None)
        return None if until is None else max(0, int((until - time.monotonic()) * 1000) + 1)

    def _take(self) -> bool:
        """Takes a question; False: the other end is closed. The recorder limits how many there are."""
        message = self._sock.recv(wire.MESSAGE_BYTES)
        if message:
            number, pid, start, uid = wire.QUESTION.unpack_from(message)
            question = _Question(number, pid, start, uid, message[wire.QUESTION.size :])
            self._wait(question)
        return bool(message)

    def _start(self) -> None:
        for uid in self._turns.order(self._waiting):
            if self._turns.are_over(uid):
                for question in self._waiting.pop(uid):
                    self._say_missing(question, GIVEN_UP)
            elif not self._is_busy(uid) and (len(self._readers) < READERS or self._idle(uid)):
                questions = self._waiting.pop(uid)
                while questions and not self._begin(questions.popleft()):
                    pass
                if questions:
                    self._wait(*questions)
        for reader in self._readers.values():
            if reader.later and not reader.question and not self._is_busy(reader.later[0].uid):
                reader.begin(reader.later.popleft())
                with contextlib.suppress(OSError):  # as in `_begin`
                    reader.child.socket.send(wire.GO_ON)

    def _is_busy(self, uid: int) -> bool:
        return any(who.uid == uid and reader.question for who, reader in self._readers.items())

    def _wait(self, *questions: _Question) -> None:
        for question in questions:
            self._waiting.setdefault(question.uid, deque()).append(question)

    def _idle(self, uid: int) -> list[_Who]:
        """Readers that may be ended for one of this user, the first one first."""
        idle = [who for who, reader in self._readers.items() if reader.may_end or who.uid == uid]
        return sorted(idle, key=lambda who: (bool(self._readers[who].later), who.uid != uid))

    def _make_room(self, uid: int) -> None:
        """Ends a reader if there are as many as may be. What it left is asked anew."""
        if len(self._readers) >= READERS:
            later = self._end(self._idle(uid)[0]).later
            for question in later:
                question.is_late = False
            self._wait(*later)

    def _begin(self, question: _Question) -> bool:
        """Gives a question to a reader; False: it is answered already."""
        try:
            with contextlib.ExitStack() as stack:
                gid, ns_pid, fds = _opened(question, stack)
                reader = self._reader(_Who(question.uid, gid))
                reader.begin(question)
                message = wire.TO_READER.pack(question.uid, ns_pid) + question.addresses
                with contextlib.suppress(OSError):  # it has ended: to be seen as its end of the socket is closed
                    socket.send_fds(reader.child.socket, [message], fds)
        except OSError as error:
            self._say_missing(question, _why(error))
            return False
        return True

    def _reader(self, who: _Who) -> _Reader:
        """The reader for this. Raises PermissionError."""
        if who not in self._readers:
            user = ownership.User(*who, ()) if self._may_become else None
            if user is None and who.uid != os.geteuid():
                raise PermissionError
            self._make_room(who.uid)
            self._readers[who] = _Reader(Child(reader_of_symbols.serve, frozenset(), user))
        self._readers.move_to_end(who)
        return self._readers[who]

    def _pass_on(self, who: _Who) -> None:
        """Passes on what a reader says."""
        reader = self._readers[who]
        assert reader.question
        try:
            message = reader.child.socket.recv(wire.MESSAGE_BYTES)
        except OSError:
            message = b""
        question, kind, answers = reader.question, message[:1], message[1:]
        if kind == wire.SAYS:
            began = time.monotonic()
            self._say(question, answers)
            reader.until += time.monotonic() - began  # the recorder was busy, not the reader
        elif kind == wire.DONE:
            self._say(question, answers, last=True)
            self._turns.took(who.uid, reader.stop())
        elif kind == wire.LATER and not question.is_late:
            self._say(question, answers)
            self._turns.took(who.uid, reader.stop())
            question.is_late = True
            reader.later.append(question)
        else:
            self._fail(who, CRASHED)

    def _end_late(self) -> None:
        now = time.monotonic()
        for who in [who for who, reader in self._readers.items() if reader.question and reader.until <= now]:
            self._fail(who, TOO_SLOW)

    def _fail(self, who: _Who, why: str) -> None:
        reader = self._end(who)
        for question in filter(None, (reader.question, *reader.later)):
            self._say_missing(question, why)
        self._turns.failed(who.uid)
        self._turns.took(who.uid, reader.stop())

    def _end(self, who: _Who) -> _Reader:
        reader = self._readers.pop(who)
        reader.child.end()
        self._ended_ns += reader.child.cpu_ns()
        return reader

    def _say(self, question: _Question, answers: bytes, *, last: bool = False) -> None:
        if answers or last:
            used = self._ended_ns + sum(reader.child.cpu_ns() for reader in self._readers.values())
            self._sock.sendall(wire.ANSWER.pack(question.number, used, last) + answers)

    def _say_missing(self, question: _Question, why: str) -> None:
        for answers in question.missing(why):
            self._say(question, answers)
        self._say(question, b"", last=True)


class _OtherUser(PermissionError):
    pass


def _why(error: OSError) -> str:
    match error:
        case _OtherUser():
            return OTHER_USER
        case PermissionError():
            return NOT_PERMITTED
        case FileNotFoundError() | ProcessLookupError():
            return reader_of_symbols.ENDED
    return f"the process cannot be read: {error.strerror}"


def _opened(question: _Question, stack: contextlib.ExitStack) -> tuple[int, int, list[int]]:
    """Group and inner pid of the process, and descriptors of its maps, root and program. Raises OSError."""
    folder = stack.enter_context(procfs.folder(question.pid, question.start))
    ids = procfs.ids(procfs.read_at(folder, "status"))
    if ids.uid != question.uid or ids.gid is None:
        raise _OtherUser
    thread = os.path.basename(procfs.living(question.pid))  # if the first has ended it has no memory
    below = "" if thread == str(question.pid) else f"task/{thread}/"
    fds = []
    for name, flags in OPENED.items():
        fds.append(os.open(below + name, flags | os.O_CLOEXEC, dir_fd=folder))
        stack.callback(os.close, fds[-1])
    return ids.gid, ids.ns_pid or question.pid, fds
