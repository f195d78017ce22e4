"""Forks a process that completes a file while the recording continues: it has everything it needs in its memory."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Collection

from sysmon.errors import SysmonError
from sysmon.recorder.own import priority

IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""Signals that are meant for the recording only."""


def fork(work: Callable[[], object], kept: Collection[int] | None = None) -> int:
    """Does the work in a child process and returns its pid. If the work fails, the child says why and its status is 1.

    `kept`: the descriptors that it keeps besides standard ones, so that all others are closed; None: closes none.
    """
    child = os.fork()
    if child == 0:
        _work(work, kept)
    return child


def _work(work: Callable[[], object], kept: Collection[int] | None) -> None:
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
        if kept is not None:
            # Otherwise programs would stay attached, and the next file's lock held, as long as the child runs.
            _close_all_but(0, 1, 2, sys.stderr.fileno(), *kept)
        priority.restore()
        work()
        status = 0
    except (SysmonError, OSError, MemoryError) as error:
        sys.stderr.write(f"sysmon: {error}\n")
    finally:
        os._exit(status)


def _close_all_but(*kept: int) -> None:
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd not in kept:
            with contextlib.suppress(OSError):  # the listing's own, which is closed by now
                os.close(fd)
