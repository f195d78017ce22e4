"""A command that is ended by a signal leaves nothing behind, and ends soon, even during a long query.

Python runs signal handlers only after the query has returned, which may take minutes. So a thread receives the signal
at once and interrupts the query. Only commands set handlers: programs that import `analyze` keep their own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

from sysmon.analyze.trace import database, scratch

AGAIN_S = 0.05
"""An interrupt just before a query begins is lost, so it is repeated this often."""

GRACE_S = 1.0
"""How long after the signal a command that has not reacted is ended, whatever it does."""

UNDOING_S = 10.0
"""How long a command that has reacted may take to clean up."""


class _Ending:
    """How the running command is ended."""

    def __init__(self) -> None:
        self.number = 0  # the signal that came
        self._heard = False  # whether Python has run the handler
        self.over = threading.Event()

    def leave(self, number: int, _frame: object) -> None:
        """Has the command clean up. Only once: cleanup must not be interrupted."""
        if not self._heard:
            self._heard, self.number = True, number
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    def watch(self, readable: int, numbers: set[int]) -> None:
        """Runs in a thread, until one of these signals comes or the other end of the pipe is closed."""
        while got := os.read(readable, 1):
            if got[0] in numbers:
                self._end(got[0])
                return

    def _end(self, number: int) -> None:
        self.number = number
        began = time.monotonic()
        while time.monotonic() < began + (UNDOING_S if self._heard else GRACE_S):
            database.interrupt_all()  # even if handled: that may be inside a query, which continues regardless
            if self.over.wait(AGAIN_S):
                return
        scratch.remove_all()
        os._exit(128 + number)


_one = threading.Lock()


@contextlib.contextmanager
def clean() -> Iterator[None]:
    """Context in which a signal that ends the command raises SystemExit, and Ctrl-C KeyboardInterrupt.

    For commands, in the main thread. An ignored signal, as after `nohup`, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread() or not _one.acquire(blocking=False):
        yield  # nested in another
        return
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    mine = {number: handler for number, handler in usual.items() if signal.getsignal(number) == handler}
    ending = _Ending()
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    watch = threading.Thread(target=ending.watch, args=(readable, set(mine)), daemon=True)
    watch.start()
    old = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in mine:
        signal.signal(number, ending.leave)
    try:
        yield
    except Exception:
        if ending.number:  # caused by the interrupt
            raise SystemExit(128 + ending.number) from None
        raise
    finally:
        ending.over.set()
        for number, handler in mine.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old)
        os.close(writable)
        watch.join()
        os.close(readable)
        _one.release()
