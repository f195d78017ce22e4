"""Has the kernel measure the run time of BPF programs, for a recorder that has dropped the privilege.

This takes CAP_SYS_ADMIN, which allows nearly everything. So a process of its own has only that capability: it reads
bytes from a socket, and measures from a 1 to a 0.
"""

from __future__ import annotations

import os
import socket

from sysmon.recorder.load import bpf_programs
from sysmon.recorder.own import capabilities, privilege
from sysmon.recorder.own.delegate import Child

ON, OFF = b"1", b"0"


class Stats:
    """The switch. Measuring ends at the latest when the process that holds it does."""

    def __init__(self) -> None:
        self._fd = -1
        self._child: Child | None = None

    def delegate(self) -> None:
        """Leaves it to a child process from now on, if permitted. Call it before CAP_SYS_ADMIN is dropped."""
        if "CAP_SYS_ADMIN" not in capabilities.effective():
            return
        self._child = Child(_serve, "CAP_SYS_ADMIN")

    @property
    def pids(self) -> tuple[int, ...]:
        """The child's pid, if there is one."""
        return (self._child.pid,) if self._child else ()

    def cpu_ns(self) -> int:
        """CPU time of the child."""
        return self._child.cpu_ns() if self._child else 0

    def on(self) -> bool:
        """Starts measuring. Returns whether the kernel does."""
        if self._child:
            return self._ask(ON) == ON
        try:
            self._fd = bpf_programs.enable_stats()
        except OSError:
            return privilege.stats_are_on()
        return True

    def off(self) -> None:
        """Stops measuring."""
        if self._child:
            self._ask(OFF)
        elif self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _ask(self, order: bytes) -> bytes:
        assert self._child
        try:
            self._child.socket.sendall(order)
            return self._child.socket.recv(1)
        except OSError:  # somebody killed it
            return b""

    def close(self) -> None:
        """Ends the child."""
        if self._child:
            self._child.end()
            self._child = None


def _serve(sock: socket.socket) -> None:
    fd = -1
    while order := sock.recv(1):
        answer = order
        if order == ON:
            try:
                fd = bpf_programs.enable_stats()
            except OSError:
                answer = OFF
        elif fd >= 0:
            os.close(fd)
            fd = -1
        sock.sendall(answer)
