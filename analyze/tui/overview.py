"""What a timeline shows of a whole trace, read a piece at a time: how busy it was, and what there is to jump to.

Findings are those of stretches of the trace, one after the other: a rule looks at a window, and has no instant of its
own. A tick stands where a stretch begins to have a finding that the one before has not.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator
from functools import partial

from sysmon.analyze.trace import cursor
from sysmon.analyze.trace.findings import findings
from sysmon.analyze.trace.position import Position, Window
from sysmon.analyze.trace.trace import Trace
from sysmon.analyze.tui.answers import Answer, Busy, Tick, Ticks

STRETCH_NS, STRETCHES = 10 * 10**9, 24
"""Least length of a stretch [ns], and most stretches of a finished trace."""

LIVE_STRETCH_NS = 60 * 10**9
"""Length of one while a recording goes on: all findings take half a second of CPU time."""

EVENTS_NS = 5 * 10**9
"""How much of a recording that goes on is looked through at a time for what there is to jump to."""

MOST_TICKS = 5_000

BUSY = """
SELECT EPOCH_NS(ts) AS ns, SUM(busy_ns) / NULLIF(SUM(online_ns), 0) AS share
FROM main.host
WHERE EPOCH_NS(ts) IS NOT NULL
GROUP BY ts
HAVING share IS NOT NULL
"""

BUSY_WITH = """
SELECT EPOCH_NS(s.ts) AS ns, SUM(c.oncpu_ns) / NULLIF(ANY_VALUE(s.interval_ns) * $cpus, 0) AS share
FROM main.cpu AS c
JOIN main.snapshots AS s ON s.ts = c.ts
WHERE EPOCH_NS(s.ts) IS NOT NULL
GROUP BY s.ts
HAVING share IS NOT NULL
"""
"""In place of it for a recording of some processes, which does not tell of the machine: how busy they kept it."""

FAILURES = """
SELECT EPOCH_NS(ended) AS ns, COALESCE(comm, '(no name)') || ' (' || pid || ') '
    || COALESCE('exited with ' || exit_code, 'was killed by ' || unfiltered.signal_name(signal), 'failed') AS text
FROM report.failures
WHERE EPOCH_NS(ended) IS NOT NULL
ORDER BY ended
LIMIT $most
"""

LOSSES = """
SELECT EPOCH_NS(ts) AS ns, cause || ' ' || place || ' ' || COALESCE(CAST(lost AS VARCHAR), '?') AS text
FROM main.losses
WHERE EPOCH_NS(ts) IS NOT NULL
ORDER BY ts
LIMIT $most
"""

REMARKS = """
SELECT EPOCH_NS(ts) AS ns, text
FROM report.remarks
WHERE EPOCH_NS(ts) IS NOT NULL
ORDER BY ts
LIMIT $most
"""

EVENTS = {"failure": (FAILURES, {"exit"}), "loss": (LOSSES, {"loss"}), "mark": (REMARKS, {"mark", "note"})}
"""What there is to jump to, and the kinds of rows that tell of it."""


class Overview:
    """Reads it of an open trace, in pieces; of one that grows also what comes. A piece that is due takes no memory."""

    def __init__(self, trace: Trace, position: Position) -> None:
        self._trace = trace
        self._drawn_ns = position.started_ns  # up to where it is known how busy it was
        self._told_ns = dict.fromkeys(EVENTS, position.started_ns)  # and what there is to jump to
        self._stretched_ns = position.started_ns  # and what was found
        self._before: set[tuple[str, str | None]] = set()
        self._came: set[str] = set()
        self.grow(position)

    def grow(self, position: Position, came: Collection[str] | None = None) -> None:
        """The trace has come so far; `came`: the kinds of the new rows, None: any."""
        self._position = position
        self._came |= {what for what, (_, kinds) in EVENTS.items() if came is None or not kinds.isdisjoint(came)}

    @property
    def has_more(self) -> bool:
        """Whether there is something to read."""
        return self._piece() is not None

    def next(self) -> Iterator[Answer]:
        """Reads the next piece. If it is interrupted, it is read again later."""
        if piece := self._piece():
            yield from piece()

    def _piece(self) -> Callable[[], Iterator[Answer]] | None:
        position = self._position
        if self._drawn_ns < position.ended_ns:
            return self._busy
        for what in EVENTS:
            if what in self._came and self._told_ns[what] + self._pause_ns(EVENTS_NS) < position.ended_ns:
                return partial(self._events, what)
        if self._stretched_ns + self._pause_ns(LIVE_STRETCH_NS) < position.ended_ns:
            return self._findings
        return None

    def _pause_ns(self, length_ns: int) -> int:
        """How much has to come before it is read, while more comes."""
        return length_ns if self._position.goes_on else 0

    def _stretch(self) -> Window:
        """The next one."""
        position = self._position
        total = position.ended_ns - position.started_ns
        length = LIVE_STRETCH_NS if position.goes_on else max(STRETCH_NS, total // STRETCHES)
        edge = bisect_left(position.edges, self._stretched_ns + length)
        return Window(self._stretched_ns, position.edges[min(edge, len(position.edges) - 1)])

    def _move(self, window: Window) -> None:
        cursor.move(self._trace, window, self._position)

    def _busy(self) -> Iterator[Answer]:
        window = Window(self._drawn_ns, self._position.ended_ns)
        self._move(window)
        with self._trace.reading():
            shares = dict(self._trace.own(BUSY).fetchall())
            if not shares:
                cpus = self._trace.metadata["host"]["cpus"]
                shares = dict(self._trace.own(BUSY_WITH, {"cpus": cpus}).fetchall())
        self._drawn_ns = window.until_ns
        yield Busy(shares)

    def _events(self, what: str) -> Iterator[Answer]:
        window = Window(self._told_ns[what], self._position.ended_ns)
        self._move(window)
        with self._trace.reading():
            rows = self._trace.own(EVENTS[what][0], {"most": MOST_TICKS}).fetchall()
        self._told_ns[what] = window.until_ns
        self._came.discard(what)
        if rows:
            yield Ticks(tuple(Tick(what, ns, text or "") for ns, text in rows))

    def _findings(self) -> Iterator[Answer]:
        window = self._stretch()
        self._move(window)
        found = [f for f in findings(self._trace) if f.severity != "low" and f.rule != "losses"]
        new = [f for f in found if (f.rule, f.comm) not in self._before]
        self._before = {(f.rule, f.comm) for f in found}
        self._stretched_ns = window.until_ns
        if new:
            text = "; ".join(f.summary for f in new)
            yield Ticks((Tick("finding", window.since_ns, text, window.until_ns),))
