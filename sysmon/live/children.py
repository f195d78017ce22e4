"""The three processes of a live view, and the pipes and sockets between them."""

from __future__ import annotations

import gc
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from sysmon.bpf.control.client import Client
from sysmon.bpf.control.saving import Saver
from sysmon.bpf.trace_file.directory import Directory
from sysmon.live import confinement, process
from sysmon.live.confinement import Bounds
from sysmon.live.plan import Plan
from sysmon.live.process import Process
from sysmon.recorder.own.ownership import User

GO = b"\n"
"""What a viewer waits for."""


@dataclass(frozen=True)
class Channels:
    """Ends of pipes and sockets, by who has them."""

    ready: tuple[int, int]  # the recorder says that it has begun
    said: tuple[int, int]  # what it says else
    go: tuple[int, int]  # a viewer may attach
    control: tuple[socket.socket, socket.socket]  # the recorder's, the viewer's
    saving: tuple[socket.socket, socket.socket]  # the writer's, the viewer's

    @classmethod
    def new(cls) -> Channels:
        """Raises OSError."""
        return cls(os.pipe(), os.pipe(), os.pipe(), _pair(), _pair())


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def recorder(plan: Plan, path: Path, channels: Channels) -> Process:
    """Starts the recorder. If we end, it does as after Ctrl-C."""
    ready, said, control = channels.ready[1], channels.said[1], channels.control[0].fileno()

    def work() -> int:
        nothing = os.open(os.devnull, os.O_RDONLY)
        for fd, instead_of in ((nothing, 0), (said, 1), (said, 2)):
            os.dup2(fd, instead_of)
        os.close(nothing)
        os.close(said)
        return plan.record(path, ready, control)

    return process.start(work, (ready, said, control), signal.SIGTERM, apart=True)


def viewer(plan: Plan, path: Path, channels: Channels, user: User | None, scratch: Path) -> Process:
    """Starts the viewer, which waits for `GO`."""
    go, sockets = channels.go[0], [channels.control[1].fileno(), channels.saving[1].fileno()]

    def work() -> int:
        from sysmon.analyze.viewer import show
        from sysmon.analyze.viewer.session import Session

        gc.freeze()  # what was read before the fork stays shared
        confinement.use_for_temporary_files(scratch)
        confinement.confine(user, Bounds(writable=(str(scratch),)), signal.SIGKILL)
        client, saver = Client.inherited(sockets[0]), Saver(socket.socket(fileno=sockets[1]))
        if os.read(go, 1) != GO:
            return 0
        os.close(go)
        session = Session(path, client, saver)
        session.attach(plan.view.wanted)
        show.show(session, plan.view)
        return 0

    return process.start(work, (go, *sockets), signal.SIGKILL)


def writer(path: Path, channels: Channels, user: User | None, scratch: Path, into: Directory, stem: str) -> Process:
    """Starts the writer."""
    sock, place = channels.saving[0].fileno(), into.fileno()

    def work() -> int:
        from sysmon.analyze.viewer import writer

        gc.freeze()
        confinement.use_for_temporary_files(scratch)
        writable = (str(scratch), f"/proc/self/fd/{place}")
        confinement.confine(user, Bounds(writable, readable=None), signal.SIGKILL)
        return writer.serve(socket.socket(fileno=sock), path, into, stem)

    return process.start(work, (sock, place), signal.SIGKILL, apart=True)


def preload(plan: Plan) -> None:
    """Imports what both need; they are forked from us, and share it."""
    from sysmon.analyze.viewer import show, writer  # noqa: F401

    show.preload(plan.view)
