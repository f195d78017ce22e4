"""A child process that does one thing for the recorder, with one capability, and ends with it however that ends.

It keeps the recorder's nice value, the highest: what it does for the recorder is short, and others may wait for it.
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

from sysmon.recorder.own import privilege

END_MS = 200
"""How long it may take to end by itself, and then again after SIGKILL. What hangs in the kernel is left to init."""


class Child:
    """A child that runs `serve` with its end of a socket. Its messages are whole (SOCK_SEQPACKET)."""

    def __init__(self, serve: Callable[[socket.socket], None], keep: str, owner: privilege.User | None = None) -> None:
        """Of all capabilities it has `keep`, if we do; `owner` is who it becomes, None: nobody else."""
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._cpu_ns = 0
        self.pid = os.fork()
        if self.pid == 0:
            _be(theirs, serve, keep, owner)
        theirs.close()

    def cpu_ns(self) -> int:
        """CPU time that it has used, also when it has ended."""
        # The clock of a process's CPU time has its pid in its number (MAKE_PROCESS_CPUCLOCK(), posix-timers.h).
        with contextlib.suppress(OSError):
            self._cpu_ns = max(self._cpu_ns, time.clock_gettime_ns(~self.pid << 3 | 2))
        return self._cpu_ns

    def end(self) -> None:
        """Returns when it has ended, or cannot."""
        self.cpu_ns()
        self.socket.close()
        with contextlib.suppress(OSError):  # it is not there any more
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


def _be(
    sock: socket.socket, serve: Callable[[socket.socket], None], keep: str, owner: privilege.User | None
) -> NoReturn:
    """The child, until `serve` returns, which it does when the other end is closed."""
    try:
        gc.disable()  # it would write to what is the recorder's memory, and so make copies of it
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        # What the recorder has open would live on with us: programs, maps, and the lock of the trace.
        fd = sock.fileno()
        os.closerange(0, fd)
        os.closerange(fd + 1, os.sysconf("SC_OPEN_MAX"))
        if owner:
            privilege.become(owner, frozenset({keep}))
        else:
            privilege.reduce(frozenset({keep}))
        privilege.end_with_parent()  # the socket says it, too, but not to who hangs in the kernel
        serve(sock)
    finally:
        os._exit(0)
