"""The thread that reads: it alone has the open trace, and answers the latest question.

A screen must not wait for a query, nor a query for a screen. What is asked replaces what was asked before; a query that
takes longer than `PATIENCE_S` is ended for it. What reads is imported in the thread, so that a screen is there before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sysmon.analyze.tui.answers import Answer, Failed, Question
from sysmon.errors import SysmonError

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

PATIENCE_S, CALM_PATIENCE_S = 0.15, 2.0
"""How long a query may go on when something else has been asked by a key, or because the cursor moves on [s]."""


class Reader(threading.Thread):
    """Opens a trace and answers until it is stopped. `tell` is called in this thread, with each answer."""

    def __init__(
        self, opens: Callable[[], Trace], tell: Callable[[Answer], None], paper: Callable[[], tuple[int, bool]]
    ):
        """`paper`: width of drawings, and whether they may have blocks."""
        super().__init__(name="reader", daemon=True)
        self._opens, self.tell, self.paper = opens, tell, paper
        self._changed = threading.Condition()
        self._asked: Question | None = None
        self._stopped = False
        self._reads: Trace | None = None  # what is being read right now, and since when
        self._since, self._gives_way = 0.0, False
        self.has_more = True  # whether something of the timeline is still to be read

    # -- from other threads

    def ask(self, question: Question) -> None:
        """Takes the place of what was asked before."""
        with self._changed:
            self._asked = question
            self._changed.notify()
        self.hurry()

    def hurry(self) -> None:
        """Ends a query that has taken too long for what is waiting. To be called now and then."""
        with self._changed:
            reads = self._reads if self.is_superseded() else None
        if reads is not None:
            reads.interrupt()

    def stop(self) -> None:
        """Ends the thread soon, even if it is opening the trace; `join` waits for it."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
            reads = self._reads
        if reads is not None:
            reads.interrupt()

    # -- in this one

    def run(self) -> None:
        from sysmon.analyze.tui.reading import BROKEN, Reading

        try:
            with self._opens() as trace:
                Reading(self, trace).go_on()
        except (SysmonError, OSError, *BROKEN) as error:
            if not self._stopped:
                self.tell(Failed(str(error)))

    def is_superseded(self) -> bool:
        """Whether what is being read has taken long enough for what is waiting."""
        if self._asked is None:
            return False
        patience_s = CALM_PATIENCE_S if self._asked.moves else 0.0 if self._gives_way else PATIENCE_S
        return time.monotonic() - self._since > patience_s

    def next(self, wait_s: float | None) -> Question | bool:
        """What is asked; True if nothing is within this time; False at the end."""
        with self._changed:
            if not (self._asked or self._stopped or wait_s == 0):
                self._changed.wait(wait_s)
            if self._stopped:
                return False
            asked, self._asked = self._asked, None
            return asked or True

    def reads(self, trace: Trace | None, *, begins: bool = False, gives_way: bool = False) -> None:
        """A query of this trace runs from here on; of something that begins now, if so, which may give way to a key."""
        with self._changed:
            self._reads = trace
            if begins:
                self._since, self._gives_way = time.monotonic(), gives_way
