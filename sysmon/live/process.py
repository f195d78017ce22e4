"""A child process, known by a descriptor: no signal reaches another that got its pid."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Collection
from typing import NoReturn

from sysmon.errors import SysmonError
from sysmon.recorder.own import capabilities

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


class Process:
    """A child. `fd` is readable when it has ended; then `reap` sets `status`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.fd = os.pidfd_open(pid)
        self.status: int | None = None

    @property
    def runs(self) -> bool:
        """Whether it has not been reaped."""
        return self.status is None

    @property
    def killed_by(self) -> int:
        """The signal that ended it; 0 if none did."""
        return -self.status if self.status is not None and self.status < 0 else 0

    def reap(self) -> None:
        """It has ended."""
        _pid, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        os.close(self.fd)

    def signal(self, number: int) -> None:
        """Sends it a signal, if it runs."""
        if self.runs:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.fd, number)


def start(work: Callable[[], int], kept: Collection[int], dies_by: int, *, apart: bool = False) -> Process:
    """Forks a child that works and exits with what that returns. The kernel sends it `dies_by` if we end.

    It keeps the standard streams and the descriptors `kept`. `apart`: the terminal's signals do not reach it.
    """
    parent = os.getpid()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        _be(work, kept, dies_by, apart, parent)
    return Process(pid)


def _be(work: Callable[[], int], kept: Collection[int], dies_by: int, apart: bool, parent: int) -> NoReturn:
    status = 1
    try:
        capabilities.end_with_parent(dies_by)
        if os.getppid() != parent:  # it ended before that took effect
            os._exit(1)
        signal.set_wakeup_fd(-1)
        for number in NUMBERS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if apart:
            os.setpgid(0, 0)
        _close_all_but({0, 1, 2, *kept})
        status = work()
    except SysmonError as error:
        sys.stderr.write(f"sysmon: {error}\n")
        status = error.exit_status
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BrokenPipeError:
        status = 0
    except OSError as error:
        sys.stderr.write(f"sysmon: {error.filename or 'live'}: {error.strerror}\n")
    except ImportError as error:
        sys.stderr.write(f"sysmon: {error}: is sysmon where everybody may read it? (docs/privileges.md)\n")
    except Exception:  # a defect of ours: no process above this one says so
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(status)


def _close_all_but(kept: set[int]) -> None:
    last = 0
    for fd in sorted(kept):
        if last < fd:  # closerange(0, 0) closes all: Python passes the last, -1, on to close_range(2)
            os.closerange(last, fd)
        last = fd + 1
    os.closerange(last, os.sysconf("SC_OPEN_MAX"))
