"""A command that a signal ends leaves nothing behind, and ends soon: also in the middle of a long query.

Python runs what handles a signal when the query has returned, which may take minutes. So a thread hears of the signal
at once and interrupts the query. Nothing else sets a handler: who imports `analyze` keeps their own.
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
"""An interrupt in the moment before a query begins is not heard: so often it is repeated."""

GRACE_S = 1.0
"""So long after the signal a command is ended that has not heard of it, whatever it does."""

UNDOING_S = 10.0
"""How long one that has may take to undo what it did."""


class _Ending:
    """What becomes of the command that runs."""

    def __init__(self) -> None:
        self.number = 0  # of the signal that came
        self._heard = False  # whether Python has said so to the command
        self.over = threading.Event()

    def leave(self, number: int, _frame: object) -> None:
        """Has the command undo what it did. Once: that is not to be interrupted."""
        if not self._heard:
            self._heard, self.number = True, number
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    def watch(self, readable: int, numbers: set[int]) -> None:
        """In a thread of its own, until one of these signals comes or the other end of the pipe is closed."""
        while got := os.read(readable, 1):
            if got[0] in numbers:
                self._end(got[0])
                return

    def _end(self, number: int) -> None:
        self.number = number
        began = time.monotonic()
        while time.monotonic() < began + (UNDOING_S if self._heard else GRACE_S):
            database.interrupt_all()  # also if it was heard: that may be inside of a query, which goes on all the same
            if self.over.wait(AGAIN_S):
                return
        scratch.remove_all()
        os._exit(128 + number)


_one = threading.Lock()


@contextlib.contextmanager
def clean() -> Iterator[None]:
    """While the body runs, a signal that ends the command raises SystemExit in it, and Ctrl-C KeyboardInterrupt.

    For commands, and there in the main thread. A signal that is ignored, as after `nohup`, stays so.
    """
    if threading.current_thread() is not threading.main_thread() or not _one.acquire(blocking=False):
        yield  # which is inside of another
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
        if ending.number:  # it is what the interrupt led to
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
