"""The signals that end a recording, or ask for a file of it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Notes them while a recording runs."""

    def __init__(self, end: Callable[[], None]) -> None:
        """`end` is called when one comes that ends the recording."""
        self._end = end
        self.ended_by = 0  # the last of those that came
        self._asked = False

    def was_asked(self) -> bool:
        """Whether SIGUSR1 has come since this was asked before."""
        asked, self._asked = self._asked, False
        return asked

    def _note(self, number: int, _frame: object) -> None:
        self._end()
        self.ended_by = number

    def _ask(self, _number: int, _frame: object) -> None:
        self._asked = True

    @contextlib.contextmanager
    def noted(self, *, files: bool) -> Iterator[int]:
        """Takes them, SIGUSR1 if it is for `files`, and gives a descriptor that is readable when one has come."""
        readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # What was ignored stays so: `nohup` means it.
        numbers = [number for number in ENDS if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, self._note) for number in numbers}
        if files:
            before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, self._ask)
        old = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
        try:
            yield readable
        finally:
            signal.set_wakeup_fd(old)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(readable)
            os.close(writable)
