"""Has each CPU's clock run the program that takes samples, also on CPUs that come online later.

An event ends when its CPU goes offline. To open another when the CPU is back takes CAP_PERFMON, which the recorder has
dropped by then: a child process has it, and nothing else, and hands events over.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct

from sysmon.bpf.programs.probes import SAMPLE_PROGRAM
from sysmon.bpf.trace_file.metadata import Probe
from sysmon.recorder.load import perf_events
from sysmon.recorder.load.cpus import online_cpus
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.own.delegate import Child, received

SOURCE = "perf event cpu-clock"
"""In place of a tracepoint in the list of probes."""

_ORDER, _ERROR = struct.Struct("=IQ"), struct.Struct("=i")  # CPU and period; why there is no event


class Sampling:
    """Samples every CPU that is online, `rate` times a second, until it is closed."""

    def __init__(self, loaded: Loaded, rate: int) -> None:
        self._loaded, self._period_ns = loaded, 10**9 // rate
        self._events: dict[int, int] = {}  # CPU → event
        self._elapsed: dict[int, int] = {}  # CPU → how long its event had run when last looked at
        self._child: Child | None = None

    def delegate(self) -> None:
        """Leaves opening to a child process from now on. Call it before CAP_PERFMON is dropped."""
        self._child = Child(_serve, "CAP_PERFMON")

    @property
    def pids(self) -> tuple[int, ...]:
        """The child's pid, if there is one."""
        return (self._child.pid,) if self._child else ()

    def cpu_ns(self) -> int:
        """CPU time of the child."""
        return self._child.cpu_ns() if self._child else 0

    def attach(self) -> list[Probe]:
        """Starts sampling. Returns the outcome, as of a probe."""
        reason = self._loaded.refused.get(SAMPLE_PROGRAM, "")
        try:
            for cpu in () if reason else online_cpus():
                self._open(cpu)
        except OSError as error:
            reason = f"cannot open an event: {error.strerror}"
            self.detach()
        return [Probe(name=SAMPLE_PROGRAM, tracepoint=SOURCE, attached=not reason, reason=reason)]

    def follow_cpus(self) -> None:
        """Samples CPUs that have come online, or back, since the last call."""
        if not self._events:
            return
        for cpu in online_cpus():
            with contextlib.suppress(OSError):  # it has just gone offline
                if self._stands_still(cpu):
                    self._open(cpu)

    def _stands_still(self, cpu: int) -> bool:
        if cpu not in self._events:
            return True
        before, now = self._elapsed.get(cpu, -1), perf_events.elapsed_ns(self._events[cpu])
        self._elapsed[cpu] = now
        return now == before

    def _open(self, cpu: int) -> None:
        event = self._ask(cpu) if self._child else perf_events.open_clock(cpu, self._period_ns)
        try:
            perf_events.run_program(event, self._loaded.programs[SAMPLE_PROGRAM])
        except OSError:
            os.close(event)
            raise
        old = self._events.pop(cpu, None)
        if old is not None:
            os.close(old)
        self._events[cpu] = event

    def _ask(self, cpu: int) -> int:
        assert self._child
        self._child.socket.sendall(_ORDER.pack(cpu, self._period_ns))
        answer, fds = received(self._child.socket, _ERROR.size, 1)
        if not fds:
            code = _ERROR.unpack(answer)[0] if answer else errno.ECHILD
            raise OSError(code, os.strerror(code))
        return fds[0]

    def detach(self) -> None:
        """Ends sampling."""
        for event in self._events.values():
            os.close(event)
        self._events.clear()

    def close(self) -> None:
        """Ends sampling, and the child."""
        self.detach()
        if self._child:
            self._child.end()
            self._child = None


def _serve(sock: socket.socket) -> None:
    while order := sock.recv(_ORDER.size):
        try:
            event = perf_events.open_clock(*_ORDER.unpack(order))
        except OSError as error:
            sock.sendall(_ERROR.pack(error.errno))
            continue
        socket.send_fds(sock, [_ERROR.pack(0)], [event])
        os.close(event)
