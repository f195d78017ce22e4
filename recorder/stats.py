"""Has the kernel measure the run time of BPF programs, for a recorder that may not have it done any more.

That takes CAP_SYS_ADMIN, with which one may do nearly everything. So a process of its own has that capability and
nothing else: it reads one byte after the other from a socket, and measures from a 1 to a 0.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import NoReturn

from recorder import kernel, privilege

ON, OFF = b"1", b"0"


class Stats:
    """The switch. Measuring ends with the process that holds it at the latest."""

    def __init__(self) -> None:
        self._fd = -1
        self._child = 0
        self._sock: socket.socket | None = None

    def delegate(self) -> None:
        """From now on a child process does it, if we may. To be called before CAP_SYS_ADMIN is given up."""
        if "CAP_SYS_ADMIN" not in privilege.effective():
            return
        self._sock, theirs = socket.socketpair()
        self._child = os.fork()
        if self._child == 0:
            self._sock = None
            _serve(theirs)
        theirs.close()

    def on(self) -> bool:
        """Whether the kernel measures from now on."""
        if self._sock:
            return self._ask(ON) == ON
        try:
            self._fd = kernel.enable_stats()
        except OSError:
            return privilege.stats_are_on()
        return True

    def off(self) -> None:
        """It need not any more."""
        if self._sock:
            self._ask(OFF)
        elif self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _ask(self, order: bytes) -> bytes:
        assert self._sock
        try:
            self._sock.sendall(order)
            return self._sock.recv(1)
        except OSError:  # somebody ended it
            return b""

    def close(self) -> None:
        """Ends the child."""
        if self._sock:
            self._sock.close()
            self._sock = None
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._child, 0)


def _serve(sock: socket.socket) -> NoReturn:
    """The child, until the other end is closed, however the recorder ends."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        # What the recorder has open would live on with us: programs, maps, and the lock of the trace.
        keep = sock.fileno()
        os.closerange(0, keep)
        os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
        privilege.reduce(frozenset({"CAP_SYS_ADMIN"}))
        fd = -1
        while order := sock.recv(1):
            answer = order
            if order == ON:
                try:
                    fd = kernel.enable_stats()
                except OSError:
                    answer = OFF
            elif fd >= 0:
                os.close(fd)
                fd = -1
            sock.sendall(answer)
    finally:
        os._exit(0)
