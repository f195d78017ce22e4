"""A process of our own that completes a file while the recording goes on: it has in its memory all that it takes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Collection

from sysmon.errors import SysmonError
from sysmon.recorder.own import priority

IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""They are for the recording."""


def fork(work: Callable[[], object], kept: Collection[int] | None = None) -> int:
    """Does the work in a process whose pid is returned. Its status is 1 if that failed, and then it says why.

    `kept`: the descriptors that it takes besides those of messages, so that others are closed; None: none is.
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
            # Programs are attached as long as anybody has them open, and the lock of the next file held.
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
            with contextlib.suppress(OSError):  # the directory's own, which is closed by now
                os.close(fd)
