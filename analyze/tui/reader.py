"""The thread that reads: it alone has the open trace, and answers the latest question.

A screen must not wait for a query, nor a query for a screen. What is asked replaces what was asked before; a query that
takes longer than `PATIENCE_S` is ended for it. In between it looks at what a recording has committed, and reads what a
timeline shows, a piece at a time.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

import duckdb

from sysmon.analyze.text.summary import losses_line
from sysmon.analyze.trace import cursor
from sysmon.analyze.trace.cursor import Cursor, Window
from sysmon.analyze.trace.trace import Trace
from sysmon.analyze.tui import tables
from sysmon.analyze.tui.answers import Answer, Failed, Grown, Opened, Question, Shown, Table
from sysmon.analyze.tui.overview import Overview
from sysmon.analyze.tui.pages import Page, page_named
from sysmon.analyze.tui.places import Scope
from sysmon.errors import BadRequest, SysmonError

PATIENCE_S = 0.15
"""How long a query may go on when something else has been asked [s]."""

LOOK_S = 0.2
"""How often a recording that still runs is looked at [s]."""

PARTS = 3
"""Scopes whose parts of the trace stay open."""


class Reader(threading.Thread):
    """Opens a trace and answers until it is stopped. `tell` is called in this thread, with each answer."""

    def __init__(
        self, opens: Callable[[], Trace], tell: Callable[[Answer], None], paper: Callable[[], tuple[int, bool]]
    ):
        """`paper`: width of drawings, and whether they may have blocks."""
        super().__init__(name="reader", daemon=True)
        self._opens, self._tell, self._paper = opens, tell, paper
        self._changed = threading.Condition()
        self._asked: Question | None = None
        self._stopped = False
        self._reads: Trace | None = None  # what is being read right now, and since when
        self._since = 0.0
        self._more = True
        self._parts: OrderedDict[Scope, Trace] = OrderedDict()

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
            waited = self._asked is not None and time.monotonic() - self._since > PATIENCE_S
            reads = self._reads
        if waited and reads is not None:
            reads.interrupt()

    def stop(self) -> None:
        """Ends the thread soon, even if it is opening the trace; `join` waits for it."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
            reads = self._reads
        if reads is not None:
            reads.interrupt()

    @property
    def has_more(self) -> bool:
        """Whether something of the timeline is still to be read."""
        return self._more

    # -- in this one

    def run(self) -> None:
        try:
            with self._opens() as trace:
                self._begin(trace)
                try:
                    self._loop()
                finally:
                    self._close_parts()
                    del self._trace, self._cursor, self._overview
        except (SysmonError, duckdb.Error, OSError) as error:
            if not self._stopped:
                self._tell(Failed(str(error)))

    def _begin(self, trace: Trace) -> None:
        self._trace, self._cursor = trace, Cursor(trace)
        self._overview = Overview(trace, self._cursor.position)
        self._tell(Opened(trace.metadata, str(trace.source.path)))
        self._tell(self._grown(0))

    def _loop(self) -> None:
        looked = time.monotonic()
        while question := self._next(looked):
            if isinstance(question, Question):
                self._answer(question)
            if self._runs and time.monotonic() - looked >= LOOK_S:
                looked = time.monotonic()
                self._look()
            elif not isinstance(question, Question):
                self._go_on()

    def _next(self, looked: float) -> Question | bool:
        """What is asked; True if there is time for something else, False at the end."""
        self._more = self._overview.has_more
        with self._changed:
            if not (self._asked or self._stopped or self._more):
                self._changed.wait(max(0.0, looked + LOOK_S - time.monotonic()) if self._runs else None)
            if self._stopped:
                return False
            asked, self._asked = self._asked, None
            return asked or True

    @property
    def _runs(self) -> bool:
        return self._cursor.position.goes_on

    def _reading(self, trace: Trace | None, began: float = 0.0) -> None:
        """A query of this trace runs from here on; of what began then, if that is given."""
        with self._changed:
            self._reads, self._since = trace, began or self._since

    # -- questions

    def _answer(self, question: Question) -> None:
        began = time.monotonic()
        try:
            self._reading(self._trace, began)
            trace, page = self._of(question.place.scope), page_named(question.place.page)
            found = tuple(self._tables(question, page, trace))
            lost, options = losses_line(trace), tuple(trace.options)
        except duckdb.InterruptException:
            return
        except BadRequest as error:
            self._tell(Failed(str(error), question))
            return
        finally:
            self._reading(None)
        self._tell(Shown(question, _window(question), found, options, lost, time.monotonic() - began))

    def _tables(self, question: Question, page: Page, part: Trace) -> Iterator[Table]:
        moved: list[Trace] = []
        for number, section in enumerate(page.sections):
            if self._asked is not None and time.monotonic() - self._since > PATIENCE_S:
                raise duckdb.InterruptException("another question")
            trace = self._trace if section.whole else part
            self._reading(trace)
            if trace not in moved:
                with trace.reading():
                    cursor.move(trace, _window(question), question.position)
                moved.append(trace)
            yield tables.read(trace, page, question.place, number, self._paper())

    def _of(self, scope: Scope) -> Trace:
        """The trace, or the part of it that is in scope."""
        if not scope.of_some:
            return self._trace
        if scope not in self._parts:
            if len(self._parts) == PARTS:
                self._parts.popitem(last=False)[1].close()
            self._parts[scope] = self._trace.part(scope.pids, comms=scope.comms, cgroups=scope.cgroups)
        self._parts.move_to_end(scope)
        return self._parts[scope]

    def _close_parts(self) -> None:
        while self._parts:
            self._parts.popitem()[1].close()

    # -- what comes

    def _look(self) -> None:
        rows = self._cursor.refresh()
        if rows or not self._runs:
            self._close_parts()
            position = self._cursor.position
            self._overview.grow(position)
            self._tell(self._grown(rows))

    def _grown(self, rows: int) -> Grown:
        position = self._cursor.position
        return Grown(position.edges, position.last_ns, position.goes_on, self._trace.metadata["stopped_by"], rows)

    def _go_on(self) -> None:
        """Reads another piece of what the timeline shows."""
        self._reading(self._trace, time.monotonic())
        try:
            for answer in self._overview.next():
                self._tell(answer)
        except duckdb.InterruptException:
            pass
        finally:
            self._reading(None)


def _window(question: Question) -> Window:
    """The window of counts, or that of events, which are known to the nanosecond."""
    return question.position.events if question.place.page == "events" else question.position.window
