"""A child process that does one task for the recorder, with few capabilities, and ends when the recorder does.

It keeps the recorder's nice value, the highest: its work is short, and others may wait for it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import NoReturn

from sysmon.recorder.own import capabilities, ownership

END_MS = 200
"""How long it may take to end by itself, and again after SIGKILL. If it hangs in the kernel it is left to init."""


class Child:
    """A child that runs `serve` with its end of a socket, which keeps message boundaries (SOCK_SEQPACKET)."""

    def __init__(
        self,
        serve: Callable[[socket.socket], None],
        keep: str | frozenset[str],
        owner: ownership.User | None = None,
        prepare: Callable[[], object] | None = None,
    ) -> None:
        """Its only capabilities are `keep`, if we have them; it becomes `owner`, or stays the same user if that is
        None. `prepare` is called in it before that: to import what it could not read later.
        """
        kept = frozenset({keep}) if isinstance(keep, str) else keep
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._cpu_ns = 0
        self.pid = os.fork()
        if self.pid == 0:
            _be(theirs, serve, kept, owner, prepare)
        theirs.close()

    def cpu_ns(self) -> int:
        """CPU time that it has used, including after it has ended."""
        # The id of a process's CPU clock contains its pid (MAKE_PROCESS_CPUCLOCK(), posix-timers.h).
        with contextlib.suppress(OSError):
            self._cpu_ns = max(self._cpu_ns, time.clock_gettime_ns(~self.pid << 3 | 2))
        return self._cpu_ns

    def end(self) -> None:
        """Returns when it has ended, or cannot be ended."""
        self.cpu_ns()
        self.socket.close()
        with contextlib.suppress(OSError):  # it is gone already
            ended = os.pidfd_open(self.pid)
            try:
                poll = select.poll()
                poll.register(ended, select.POLLIN)
                if not poll.poll(END_MS):
                    os.kill(self.pid, signal.SIGKILL)
                    poll.poll(END_MS)
            finally:
                os.close(ended)
            os.waitpid(self.pid, os.WNOHANG)


def received(sock: socket.socket, size: int, most: int) -> tuple[bytes, list[int]]:
    """A message, and the descriptors that came with it, which no program that we execute inherits. Raises OSError.

    `socket.recv_fds` makes them inheritable, and passes no flag (MSG_CMSG_CLOEXEC) on.
    """
    message, fds, _flags, _address = socket.recv_fds(sock, size, most)
    for fd in fds:
        os.set_inheritable(fd, False)
    return message, fds


def _be(
    sock: socket.socket,
    serve: Callable[[socket.socket], None],
    kept: frozenset[str],
    owner: ownership.User | None,
    prepare: Callable[[], object] | None,
) -> NoReturn:
    """Runs in the child until `serve` returns, which it does when the other end is closed."""
    try:
        gc.disable()  # it would write to pages shared with the recorder, and so copy them
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        # What the recorder has open would stay open in the child: programs, maps, the trace's lock.
        fd = sock.fileno()
        os.closerange(0, fd)
        os.closerange(fd + 1, os.sysconf("SC_OPEN_MAX"))
        if prepare:
            prepare()
        if owner:
            ownership.become(owner, kept)
        else:
            capabilities.reduce(kept)
        capabilities.end_with_parent()  # a closed socket says so too, but not to a child that hangs in the kernel
        serve(sock)
    finally:
        os._exit(0)
