"""Handles the signals that stop a recording, and SIGUSR1, which asks for a file of what is kept."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


_PIPE_BYTES = 65536  # all that a pipe holds: a byte for each signal


class StopSignals:
    """Notes these signals while a recording runs."""

    def __init__(self, end: Callable[[], None]) -> None:
        """`end` is called when a signal comes that stops the recording."""
        self._end = end
        self.ended_by = 0  # the last one that came
        self._asked = False
        self._readable = -1

    def was_asked(self) -> bool:
        """Whether SIGUSR1 has come since the last call. If so, the descriptor is no longer readable."""
        if not self._asked:
            return False
        self._asked = False
        with contextlib.suppress(BlockingIOError):
            os.read(self._readable, _PIPE_BYTES)
        return True

    def end_by(self, number: int) -> None:
        """Ends the recording as this signal does."""
        self._note(number, None)

    def _note(self, number: int, _frame: object) -> None:
        self._end()
        self.ended_by = number

    def _ask(self, _number: int, _frame: object) -> None:
        self._asked = True

    @contextlib.contextmanager
    def noted(self, *, files: bool) -> Iterator[int]:
        """Context that handles them, SIGUSR1 only if it asks for `files`. Yields a descriptor that is readable when one
        came.
        """
        readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._readable = readable
        # Ignored signals stay ignored, as `nohup` intends.
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
