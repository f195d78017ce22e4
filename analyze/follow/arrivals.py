"""What came of a recording that still runs since the last look, each row once.

Rows come in order of time but for a moment: a ring that is nearly empty may be read at the next commit. So a look asks
for what is not much older than the last one, and leaves out what was shown.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sysmon.analyze.follow.kinds import events_query
from sysmon.analyze.follow.lines import Page
from sysmon.analyze.trace.growing.recording import Growing

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

LATE_NS = 6 * 10**9
"""How much older than the last commit a row that comes may be: two commits, and the time that a snapshot takes."""

LOOK_ROWS = 50_000
"""Most events of a look; older ones are skipped."""

KEPT = 200_000
"""About how many of the last lines are known, so that none is shown twice."""

PLACE = "SELECT seen_ns FROM ({}) WHERE seen_ns >= $seen ORDER BY seen_ns DESC LIMIT 1 OFFSET $most"

COUNT = "SELECT COUNT(*) FROM ({}) WHERE seen_ns >= $seen AND seen_ns < $first"


@dataclass(frozen=True)
class Arrived:
    """What came is of these kinds and was over at this time or later [ns since 1970], but for what was skipped."""

    kinds: Sequence[str]
    seen_ns: int
    skipped: int


@dataclass(frozen=True)
class Came:
    """At most so many rows of these kinds: none is older, or was over earlier [ns since 1970, None: unknown]."""

    kinds: Sequence[str]
    rows: int
    began_ns: int | None
    seen_ns: int


@dataclass(frozen=True)
class _Lines:
    """Lines that were shown: when each was over, and what tells it from others."""

    over_ns: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]


class Arrivals:
    """Looks at a trace for events of some kinds."""

    def __init__(self, trace: Trace, kinds: Sequence[str]) -> None:
        self._trace, self._kinds = trace, kinds
        self._known: deque[_Lines] = deque()
        self._floor = 0  # what is older was shown or skipped, or it is not known whether

    def look(self, since: int | None, until: int | None) -> Arrived | None:
        """Takes what came, and moves the trace's window to it; None if nothing did."""
        last = self._trace.metadata["ended_ns"]
        if not self._trace.refresh() and isinstance(self._trace.source, Growing):
            return None
        came = self._came()
        if not came.rows:
            return None
        bounds = [ns for ns in (since, came.began_ns) if ns is not None]
        self._trace.move(max(bounds, default=None), until)
        seen = max(came.seen_ns, last - LATE_NS, self._floor)
        return Arrived(came.kinds, seen, 0) if came.rows <= LOOK_ROWS else self._bounded(came.kinds, seen)

    def _came(self) -> Came:
        """What the last look at the recording found."""
        if not isinstance(self._trace.source, Growing):  # it has ended, and is read as a file
            return Came(self._kinds, sys.maxsize, None, 0)
        news = self._trace.source.news
        tables = [table for kind in self._kinds for table in news.waiting.get(kind, []) if table.num_rows]
        groups = [(kind, piece.group) for kind in self._kinds for piece in news.pieces.get(kind, [])]
        kinds = [kind for kind in self._kinds if news.waiting.get(kind) or news.pieces.get(kind)]
        rows = sum(table.num_rows for table in tables) + sum(group.rows[kind] for kind, group in groups)
        firsts = [*map(_first_of, tables), *((group.first_ns or 0, group.first_ns or 0) for _, group in groups)]
        return Came(
            kinds, rows, min((began for began, _ in firsts), default=None), min((over for _, over in firsts), default=0)
        )

    def _bounded(self, kinds: Sequence[str], seen: int) -> Arrived:
        """The same without what is too much."""
        events = events_query(kinds)
        with self._trace.reading():
            found = self._trace.own(PLACE.format(events), {"seen": seen, "most": LOOK_ROWS}).fetchall()
            if not found:
                return Arrived(kinds, seen, 0)
            first = found[0][0] + 1
            ((skipped,),) = self._trace.own(COUNT.format(events), {"seen": seen, "first": first}).fetchall()
        self._floor = max(self._floor, first)  # what was skipped now is not skipped again
        known = sum(int(((seen <= page.over_ns) & (page.over_ns < first)).sum()) for page in self._known)
        return Arrived(kinds, first, max(0, skipped - known))

    def shown(self, page: Page) -> None:
        """These lines were shown."""
        self._know(_Lines(page.over_ns, _keys(page)))

    def fresh(self, page: Page) -> Page:
        """The lines that were not shown; now they are."""
        keys, first = _keys(page), int(page.over_ns.min(initial=sys.maxsize))
        before = [lines.keys for lines in self._known if int(lines.over_ns.max()) >= first]
        new = ~np.isin(keys, np.concatenate(before)) if before else np.ones(len(keys), np.bool_)
        if new.all():
            self._know(_Lines(page.over_ns, keys))
            return page
        self._know(_Lines(page.over_ns[new], keys[new]))
        return page.where(new)

    def _know(self, lines: _Lines) -> None:
        """Lets go of those that are so old that no look asks for them, and of more than can be kept."""
        if len(lines.keys):
            self._known.append(lines)
        oldest = self._trace.metadata["ended_ns"] - 2 * LATE_NS
        while self._known and int(self._known[0].over_ns.max()) < oldest:
            self._forget()
        while sum(len(lines.keys) for lines in self._known) > KEPT:
            self._forget()

    def _forget(self) -> None:
        self._floor = max(self._floor, int(self._known.popleft().over_ns.max()) + 1)


def _first_of(table: pa.Table) -> tuple[int, int]:
    """The earliest time of rows, and one that is not after any of them was over."""
    ts = table["ts"].cast(pa.int64())
    if "arg1" not in table.column_names:
        return pc.min(ts).as_py() or 0, pc.min(ts).as_py() or 0
    over = pc.add(ts, table["latency_ns"].cast(pa.int64()).fill_null(0))  # the time of a system call is its entry
    return pc.min(ts).as_py() or 0, pc.min(over).as_py() or 0


def _keys(page: Page) -> npt.NDArray[np.int64]:
    """What tells lines apart: by the text, which has the time, and by when each was over."""
    hashes = np.fromiter(map(hash, page.lines), np.int64, len(page.lines))
    return hashes ^ page.over_ns
