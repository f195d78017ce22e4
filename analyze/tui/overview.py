"""What a timeline shows of a whole trace, read a piece at a time: how busy it was, and what there is to jump to.

Findings are those of stretches of the trace, one after the other: a rule looks at a window, and has no instant of its
own. A tick stands where a stretch begins to have a finding that the one before has not.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from sysmon.analyze.trace import cursor
from sysmon.analyze.trace.findings import findings
from sysmon.analyze.trace.position import Position, Window
from sysmon.analyze.trace.trace import Trace
from sysmon.analyze.tui.answers import Answer, Busy, Tick, Ticks

STRETCH_NS, STRETCHES = 10 * 10**9, 24
"""Least length of a stretch [ns], and most stretches of a finished trace."""

LIVE_STRETCH_NS = 30 * 10**9
"""Length of one while a recording goes on: all findings take half a second of CPU time."""

MOST_TICKS = 5_000

BUSY = """
SELECT EPOCH_NS(ts) AS ns, SUM(busy_ns) / NULLIF(SUM(online_ns), 0) AS share
FROM main.host
WHERE ts IS NOT NULL
GROUP BY ts
HAVING share IS NOT NULL
"""

FAILURES = """
SELECT EPOCH_NS(ended) AS ns, COALESCE(comm, '(no name)') || ' (' || pid || ') '
    || COALESCE('exited with ' || exit_code, 'was killed by ' || unfiltered.signal_name(signal), 'failed') AS text
FROM report.failures
WHERE ended IS NOT NULL
ORDER BY ended
LIMIT $most
"""

LOSSES = """
SELECT EPOCH_NS(ts) AS ns, cause || ' ' || place || ' ' || COALESCE(CAST(lost AS VARCHAR), '?') AS text
FROM main.losses
WHERE ts IS NOT NULL
ORDER BY ts
LIMIT $most
"""

REMARKS = """
SELECT EPOCH_NS(ts) AS ns, text
FROM report.remarks
WHERE ts IS NOT NULL
ORDER BY ts
LIMIT $most
"""

EVENTS = {"failure": FAILURES, "loss": LOSSES, "mark": REMARKS}


class Overview:
    """Reads it of an open trace, in pieces; of one that grows also what comes."""

    def __init__(self, trace: Trace, position: Position) -> None:
        self._trace = trace
        self._read = position.started_ns  # up to where it is read
        self._stretched = position.started_ns  # and up to where findings are
        self._before: set[tuple[str, str | None]] = set()
        self._left: deque[Callable[[], Iterator[Answer]]] = deque()
        self.grow(position)

    @property
    def has_more(self) -> bool:
        """Whether there is something to read."""
        return bool(self._left)

    def grow(self, position: Position) -> None:
        """The trace has come so far."""
        self._position = position
        if position.ended_ns > self._read:
            window = Window(self._read, position.ended_ns)
            self._read = position.ended_ns
            self._left.append(partial(self._busy, window))
            self._left.extend(partial(self._events, what, window) for what in EVENTS)
        self._left.extend(partial(self._findings, stretch) for stretch in self._stretches())

    def next(self) -> Iterator[Answer]:
        """Reads the next piece. If it is interrupted, it is read again later."""
        if self._left:
            yield from self._left[0]()
            self._left.popleft()

    def _stretches(self) -> Iterator[Window]:
        """Those that are whole by now."""
        position = self._position
        total = position.ended_ns - position.started_ns
        length = LIVE_STRETCH_NS if position.goes_on else max(STRETCH_NS, total // STRETCHES)
        while position.ended_ns - self._stretched >= length or (
            not position.goes_on and self._stretched < position.ended_ns
        ):
            edge = bisect_left(position.edges, self._stretched + length)
            end = position.edges[min(edge, len(position.edges) - 1)]
            yield Window(self._stretched, end)
            self._stretched = end

    def _move(self, window: Window) -> None:
        cursor.move(self._trace, window, self._position)

    def _busy(self, window: Window) -> Iterator[Answer]:
        self._move(window)
        with self._trace.reading():
            yield Busy(dict(self._trace.own(BUSY).fetchall()))

    def _events(self, what: str, window: Window) -> Iterator[Answer]:
        self._move(window)
        with self._trace.reading():
            rows = self._trace.own(EVENTS[what], {"most": MOST_TICKS}).fetchall()
        if rows:
            yield Ticks(tuple(Tick(what, ns, text or "") for ns, text in rows))

    def _findings(self, window: Window) -> Iterator[Answer]:
        self._move(window)
        found = [f for f in findings(self._trace) if f.severity != "low" and f.rule != "losses"]
        new = [f for f in found if (f.rule, f.comm) not in self._before]
        self._before = {(f.rule, f.comm) for f in found}
        if new:
            text = "; ".join(f.summary for f in new)
            yield Ticks((Tick("finding", window.since_ns, text, window.until_ns),))
