"""What the reading thread does with an open trace: it answers questions, and in between sees what has come.

Then it looks at what a recording has committed, and reads what a timeline shows, a piece at a time.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import duckdb

from sysmon.analyze.text.summary import losses_line
from sysmon.analyze.trace import cursor
from sysmon.analyze.trace.cursor import Cursor
from sysmon.analyze.trace.growing.recording import Growing
from sysmon.analyze.trace.position import Window
from sysmon.analyze.tui import tables
from sysmon.analyze.tui.answers import Asker, Failed, Grown, Late, Opened, Question, Shown, Table
from sysmon.analyze.tui.overview import Overview
from sysmon.analyze.tui.pages import Page, page_named
from sysmon.analyze.tui.places import Scope
from sysmon.bpf.kinds.ledger import LOSS
from sysmon.bpf.trace_file.heap import trim
from sysmon.errors import BadRequest

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

BROKEN = (duckdb.Error,)
"""What ends the thread, besides errors of sysmon and of the system."""

LOOK_S, MOST_LOOK_S = 0.2, 1.0
"""How often a recording that still runs is looked at [s]: for events, and at most and at least for what is counted.

Only with a snapshot does something come of what is counted, and a look takes a tenth of a second of CPU time.
"""

COMMITTED_S = 0.35
"""How long after a snapshot it can be read [s]."""

SHARE, MOST_PAUSE_S = 0.15, 5.0
"""Most of a CPU that the screen takes to go with a recording, and how long it pauses for that at most [s].

All findings, once a minute, come on top: half a second of CPU time.
"""

SELDOM_S = 60.0
"""How often what takes long is read while the cursor moves on by itself [s]."""

PARTS = 3
"""Scopes whose parts of the trace stay open."""


class Reading:
    """One open trace, and parts of it."""

    def __init__(self, reader: Asker, trace: Trace) -> None:
        self._reader, self._trace, self._cursor = reader, trace, Cursor(trace)
        self._overview = Overview(trace, self._cursor.position)
        self._parts: OrderedDict[Scope, Trace] = OrderedDict()
        self._late: tuple[Question, list[int]] | None = None  # sections that are still to be read
        self._late_at = -SELDOM_S
        self._looked = time.monotonic()
        self._pause_s, self._used_s = LOOK_S, time.process_time()
        self._shows_events = False
        reader.tell(Opened(trace.metadata, str(trace.source.path)))
        reader.tell(self._grown(0))

    def go_on(self) -> None:
        """Answers until the reader is stopped."""
        try:
            while question := self._reader.next(self._wait_s()):
                if isinstance(question, Question):
                    self._answer(question)
                if self._runs and time.monotonic() >= self._due():
                    self._look()
                elif not isinstance(question, Question):
                    self._read_more()
        finally:
            self._close_parts()

    def _wait_s(self) -> float | None:
        """How long to wait for a question."""
        self._reader.has_more = self._overview.has_more
        if self._overview.has_more or self._late:
            return 0
        return max(0.001, self._due() - time.monotonic()) if self._runs else None

    def _due(self) -> float:
        """When to look again: later if the last look, what was answered and drawn of it took long."""
        used_s = time.process_time() - self._used_s
        pause_s = LOOK_S if self._shows_events else self._pause_s
        return self._looked + max(pause_s, min(MOST_PAUSE_S, used_s / SHARE))

    @property
    def _runs(self) -> bool:
        return self._cursor.position.goes_on

    # -- questions

    def _answer(self, question: Question) -> None:
        began = time.monotonic()
        self._shows_events = question.place.page == "events"
        try:
            self._reader.reads(self._trace, begins=True)
            trace, page = self._of(question.place.scope), page_named(question.place.page)
            found = tuple(self._tables(question, page, trace))
            self._late = question, [n for n, table in enumerate(found) if table.pending]
            if not self._late[1] or (question.moves and began - self._late_at < SELDOM_S):
                self._late = None
            lost = losses_line(trace) if _may_have_lost(trace) else ""
            options = tuple(trace.options)
        except duckdb.InterruptException:
            return
        except BadRequest as error:
            self._reader.tell(Failed(str(error), question))
            return
        finally:
            self._reader.reads(None)
        self._reader.tell(Shown(question, _window(question), found, options, lost, time.monotonic() - began))

    def _tables(self, question: Question, page: Page, part: Trace) -> Iterator[Table]:
        moved: list[Trace] = []
        for number, section in enumerate(page.sections):
            if self._reader.is_superseded():
                raise duckdb.InterruptException("another question")
            trace = self._trace if section.whole else part
            self._reader.reads(trace)
            if trace not in moved:
                self._move(trace, question)
                moved.append(trace)
            if section.slow:
                yield Table(pending=True)
            else:
                yield tables.read(trace, page, question.place, number, self._reader.paper())

    def _move(self, trace: Trace, question: Question) -> None:
        with trace.reading():
            cursor.move(trace, _window(question), question.position)

    def _read_late(self, question: Question, numbers: list[int]) -> None:
        """Reads the rest of an answer, unless something else is asked meanwhile."""
        self._late, self._late_at = None, time.monotonic()
        trace, page = self._of(question.place.scope), page_named(question.place.page)
        self._reader.reads(trace, begins=True, gives_way=True)
        try:
            self._move(trace, question)
            for number in numbers:
                table = tables.read(trace, page, question.place, number, self._reader.paper())
                self._reader.tell(Late(question, number, table))
        except duckdb.InterruptException:
            self._late = question, numbers
        finally:
            self._reader.reads(None)

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
        self._looked, self._used_s = time.monotonic(), time.process_time()
        rows = self._cursor.refresh()
        self._pause_s = self._until_snapshot_s()
        if rows or not self._runs:
            self._close_parts()
            self._overview.grow(self._cursor.position, self._came())
            self._reader.tell(self._grown(rows))
            trim()

    def _until_snapshot_s(self) -> float:
        """Until the next may be there."""
        next_s = self._cursor.position.ended_ns / 1e9 + self._trace.metadata["interval_s"] + COMMITTED_S
        return min(MOST_LOOK_S, max(LOOK_S, next_s - time.time()))

    def _came(self) -> list[str] | None:
        """The kinds of what the last look found; None: any."""
        source = self._trace.source
        return [*source.news.waiting, *source.news.pieces] if isinstance(source, Growing) else None

    def _grown(self, rows: int) -> Grown:
        position = self._cursor.position
        return Grown(position.edges, position.last_ns, position.goes_on, self._trace.metadata["stopped_by"], rows)

    def _read_more(self) -> None:
        """Reads the rest of an answer, or another piece of what the timeline shows."""
        if self._late:
            self._read_late(*self._late)
            return
        self._reader.reads(self._trace, begins=True, gives_way=True)
        try:
            for answer in self._overview.next():
                self._reader.tell(answer)
        except duckdb.InterruptException:
            pass
        finally:
            self._reader.reads(None)


def _may_have_lost(trace: Trace) -> bool:
    info = trace.metadata
    return bool(info["losses"] or info["rows"].get(LOSS.name, 1))


def _window(question: Question) -> Window:
    """The window of counts, or that of events, which are known to the nanosecond."""
    return question.position.events if question.place.page == "events" else question.position.window
