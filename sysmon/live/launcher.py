"""Starts a recorder, a viewer and a writer, and waits for them; none is left behind.

The recorder tells a viewer what it records over a socket between the two. Here is only what one cannot do itself: say
that another has ended, end it, and clean up after it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from sysmon.bpf.control import saving
from sysmon.bpf.trace_file.directory import Directory
from sysmon.live import children, confinement
from sysmon.live.children import Channels
from sysmon.live.places import Places
from sysmon.live.plan import Plan
from sysmon.live.process import Process
from sysmon.live.tail import Tail
from sysmon.live.terminal import Terminal
from sysmon.recorder.own import capabilities, ownership
from sysmon.safe_text import one_line

LEFT_BY = frozenset({"CAP_KILL", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER"})
"""What a launcher keeps: to end processes of other users, and to remove their temporary files."""

GRACE_S = 3.0
"""How long a viewer, a writer, and a recorder whose rows nobody keeps may take to end."""

LOOK_S = 0.5
"""How often it is looked whether a grace is over."""

NAME = "live"
"""Of a recording that has no file, and of what is saved from it."""


def launch(plan: Plan) -> int:
    """Records and shows. Returns the exit status. Raises SysmonError if it cannot begin."""
    places = Places()
    terminal = Terminal()
    try:
        return _Launcher(plan, places, terminal).run()
    finally:
        places.remove()


class _Launcher:
    """The processes, and what becomes of each when another ends."""

    def __init__(self, plan: Plan, places: Places, terminal: Terminal) -> None:
        self._plan, self._terminal = plan, terminal
        self._deadlines: dict[Process, float] = {}
        self._has_begun = False
        self._is_ending = False
        self._said = ""
        self._poll = select.poll()
        self._signals, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _noted)
        self._begin(places)

    def _begin(self, places: Places) -> None:
        plan = self._plan
        user, behind = confinement.viewer_user(), ownership.sudo_user()
        owner = ownership.owner(plan.path) if plan.path else behind
        path = plan.path.absolute() if plan.path else places.make("recording", owner) / f"{NAME}.parquet"
        with ownership.acting_as(owner):
            into = Directory.hold(plan.path.parent if plan.path else Path())
        channels = Channels.new()
        self._recorder = children.recorder(plan, plan.path or path, channels)
        self._close(channels.ready[1], channels.said[1])
        channels.control[0].close()
        capabilities.in_thread(LEFT_BY, functools.partial(children.preload, plan))
        stem = plan.path.stem if plan.path else NAME
        self._viewer = children.viewer(plan, path, channels, user, places.make("viewer", user))
        self._writer = children.writer(path, channels, owner, places.make("writer", owner), into, stem)
        into.close()
        channels.saving[0].close()
        channels.saving[1].close()
        self._close(channels.go[0])
        self._ready, self._go, self._control = channels.ready[0], channels.go[1], channels.control[1]
        self._tail = Tail(channels.said[0])
        if os.geteuid() == 0:
            capabilities.reduce(LEFT_BY)

    @staticmethod
    def _close(*fds: int) -> None:
        for fd in fds:
            os.close(fd)

    # -- until all have ended

    def run(self) -> int:
        """Returns the exit status."""
        poll = self._poll
        does = {
            self._signals: self._signalled,
            self._ready: self._begun,
            self._tail.fd: self._heard,
            self._control.fileno(): self._disconnected,
            **{one.fd: self._ended for one in self._all},
        }
        for fd in does:
            poll.register(fd, 0 if fd == self._control.fileno() else select.POLLIN)  # 0: only that it is closed
        while self._recorder.runs or self._viewer.runs or self._writer.runs:
            for fd, _event in poll.poll(LOOK_S * 1000):
                if not does[fd](fd):
                    poll.unregister(fd)
            self._enforce()
        self._tail.read()
        return self._outcome()

    @property
    def _all(self) -> tuple[Process, ...]:
        return self._recorder, self._viewer, self._writer

    def _begun(self, fd: int) -> bool:
        """The recorder has begun, or has closed its end without."""
        if os.read(fd, 64):
            self._has_begun = True
            self._let_go()
        return False

    def _let_go(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._go, children.GO)
        os.close(self._go)

    def _heard(self, _fd: int) -> bool:
        return self._tail.read()

    def _disconnected(self, _fd: int) -> bool:
        """The recorder talks no more to the viewer: it has ended, or the viewer said what nobody may."""
        if self._recorder.runs:
            self._deadlines.setdefault(self._viewer, time.monotonic() + GRACE_S)
        return False

    def _signalled(self, fd: int) -> bool:
        number = os.read(fd, 64)[-1]
        self._is_ending = True
        self._end_recorder()
        self._viewer.signal(number)
        self._deadlines.setdefault(self._viewer, time.monotonic() + GRACE_S)
        return True

    def _end_recorder(self) -> None:
        self._recorder.signal(signal.SIGINT if self._has_begun else signal.SIGTERM)
        if not self._plan.path:
            self._deadlines.setdefault(self._recorder, time.monotonic() + GRACE_S)

    def _enforce(self) -> None:
        now = time.monotonic()
        for one in [one for one, until in self._deadlines.items() if now > until]:
            one.signal(signal.SIGKILL)
            del self._deadlines[one]

    # -- one has ended

    def _ended(self, fd: int) -> bool:
        one = next(one for one in self._all if one.fd == fd)
        one.reap()
        self._deadlines.pop(one, None)
        if one is self._recorder:
            self._without_recorder()
        elif one is self._viewer:
            self._without_viewer()
        elif one.status == saving.MALFORMED:
            self._say("the viewer asked for what no viewer does: it was ended")
            self._viewer.signal(signal.SIGKILL)
        return False

    def _without_recorder(self) -> None:
        if not self._is_ending:
            self._deadlines.pop(self._viewer, None)
        if not self._has_begun:
            self._viewer.signal(signal.SIGKILL)
        elif self._recorder.killed_by and self._viewer.runs and self._plan.view.name != "screen":
            self._say_killed()

    def _without_viewer(self) -> None:
        with contextlib.suppress(KeyError):
            self._poll.unregister(self._control)
        self._control.close()
        self._deadlines.setdefault(self._writer, time.monotonic() + saving.WAIT_S)
        killed = self._viewer.killed_by
        self._terminal.restore(screen=bool(killed) and self._plan.view.name == "screen")
        if killed and self._has_begun:
            self._say(f"the viewer was killed by signal {killed}")
        if self._recorder.runs and not self._plan.ends_with_viewer and self._recorder not in self._deadlines:
            self._say("the recording goes on; Ctrl-C ends it")
            self._tail.pass_on()
        else:
            self._end_recorder()

    # -- what is said

    def _say(self, text: str) -> None:
        sys.stderr.write(f"{one_line(text)}\n")

    def _say_killed(self) -> None:
        if not self._said:
            self._said = f"the recorder was killed by signal {self._recorder.killed_by}"
            kept = f"; `sysmon repair {self._plan.path}` makes a trace of what it left" if self._plan.path else ""
            self._say(f"{self._said}: this is what there is{kept}")

    def _outcome(self) -> int:
        """Says what is left to say. Returns the exit status."""
        recorder, viewer = self._recorder, self._viewer
        if recorder.killed_by and (self._plan.path or self._said):
            self._say_killed()
        elif recorder.status or self._plan.path:
            self._tail.show()
        status = recorder.status or (viewer.status if self._has_begun else 0) or 0
        return status if status >= 0 else 128 - status


def _noted(_number: int, _frame: FrameType | None) -> None:
    """The descriptor tells."""
