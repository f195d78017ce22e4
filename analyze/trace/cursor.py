"""A position on an open trace, and what moves the trace's window there."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sysmon.analyze.trace.growing.recording import Growing
from sysmon.analyze.trace.position import Position, Window
from sysmon.analyze.trace.trace import Trace
from sysmon.bpf.kinds.ledger import CLOCK
from sysmon.bpf.trace_file.metadata import RUNNING

SNAPSHOTS = "SELECT DISTINCT EPOCH_NS(ts) AS ns FROM unfiltered.clocks WHERE EPOCH_NS(ts) IS NOT NULL ORDER BY ns"


class Cursor:
    """A position on an open trace, and what moves its window there. Nothing is read before `show`."""

    def __init__(self, trace: Trace, width_ns: int = 0) -> None:
        self.trace = trace
        self.position = Position(_edges(trace), trace.metadata["ended_ns"], _goes_on(trace), width_ns=width_ns)

    def refresh(self) -> int:
        """Takes what was recorded meanwhile; how many rows."""
        rows, position = self.trace.refresh(), self.position
        goes_on = _goes_on(self.trace)
        if rows or goes_on != position.goes_on:
            position.grow(_edges_by_now(self.trace, position.edges), self.trace.metadata["ended_ns"], goes_on=goes_on)
        return rows

    def show(self) -> Window:
        """Moves the trace's window to that of the position."""
        return self._move(self.position.window)

    def show_events(self) -> Window:
        """Moves the trace's window to that of events."""
        return self._move(self.position.events)

    def _move(self, window: Window) -> Window:
        move(self.trace, window, self.position)
        return window


def move(trace: Trace, window: Window, position: Position) -> None:
    """Moves a trace's window. At an end of the trace it is open, as some rows are of before or after all snapshots."""
    since = None if window.since_ns <= position.started_ns else window.since_ns + 1
    until = None if window.until_ns >= position.ended_ns and not position.goes_on else window.until_ns + 1
    trace.move(since, until)


def _goes_on(trace: Trace) -> bool:
    return trace.metadata["stopped_by"] == RUNNING


def _edges_by_now(trace: Trace, known: Sequence[int]) -> Sequence[int]:
    """Those that are known, and what came; all again if that is not among the rows that wait."""
    source = trace.source
    if not isinstance(source, Growing) or source.news.parts_gone or CLOCK.name in source.news.pieces:
        return _edges(trace)
    if len(known) <= 2:  # it may not be of snapshots
        return _edges(trace)
    came = {ns for rows in source.news.waiting.get(CLOCK.name, []) for ns in rows["ts"].cast(pa.int64()).to_pylist()}
    came -= {None, *known[-len(came) :]}
    if not came:
        return known
    return [*known, *sorted(came)] if min(came) > known[-1] else _edges(trace)


def _edges(trace: Trace) -> list[int]:
    """The snapshots. There is always an interval: of a recording without snapshots, its length."""
    with trace.reading():
        edges: list[int] = trace.own(SNAPSHOTS).to_arrow_table()["ns"].to_pylist()
    if len(edges) >= 2:
        return edges
    info = trace.metadata
    return [info["started_ns"], max(info["ended_ns"], info["started_ns"] + 1)]
