"""The window of a trace cut into slices of time, so that a line of it needs no more memory than its slice has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sysmon.analyze.follow.kinds import times_query

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

SLICE_ROWS = 100_000
"""About as many events are in a slice: planning the query takes as long as 10,000 of them."""

BIN_NS, MOST_BINS = 10**8, 10_000
"""The least length of time of which events are counted, and into how many of them a recording is cut at most."""


def slices(trace: Trace, kinds: Sequence[str]) -> Iterator[tuple[int | None, int | None]]:
    """Windows that touch, in order, from the beginning of the trace's window to its end."""
    begin, until = trace.since_ns, trace.until_ns
    width = max(BIN_NS, (trace.metadata["ended_ns"] - trace.metadata["started_ns"]) // MOST_BINS)
    rows = 0
    for bin_ns, count in _counts(trace, kinds, width):
        if rows and rows + count > SLICE_ROWS and (begin is None or bin_ns > begin):
            yield begin, bin_ns
            begin, rows = bin_ns, 0
        rows += count
    yield begin, until


def _counts(trace: Trace, kinds: Sequence[str], width_ns: int) -> list[tuple[int, int]]:
    """The beginning of each bin that has events, and how many."""
    query = (
        f"SELECT ns - ns % $width AS bin, COUNT(*) FROM ({times_query(kinds)}) WHERE ns IS NOT NULL "
        "GROUP BY bin ORDER BY bin"
    )
    with trace.reading():
        return trace.own(query, {"width": width_ns}).fetchall()
