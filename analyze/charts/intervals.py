"""The time axis: the intervals between snapshots, no more of them than a page can show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sysmon.analyze.charts.data import Floats, Ints, columns

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

MOST = 180
"""Most steps in a chart, each 0.7 mm wide. Longer recordings have several snapshots per step."""

SHORT = 0.25
"""An interval shorter than this fraction of the usual one is merged with its neighbour."""

EDGES = "SELECT epoch_ns(ts) AS ts FROM unfiltered.clocks WHERE ts IS NOT NULL"


@dataclass(frozen=True)
class Steps:
    """Consecutive intervals, each up to a snapshot. `edges` are UTC ns since 1970, one more than there are steps."""

    edges: Ints
    started_ns: int

    @property
    def edges_s(self) -> Floats:
        """The edges in seconds since the recording began."""
        return np.asarray((self.edges - self.started_ns) / 1e9, dtype=np.float64)

    @property
    def widths_s(self) -> Floats:
        """The length of each step [s]."""
        return np.asarray(np.diff(self.edges) / 1e9, dtype=np.float64)

    def __len__(self) -> int:
        return len(self.edges) - 1

    def index(self, ts: Ints) -> Ints:
        """The step of each instant. An instant at an edge ends a step. Instants outside belong to the nearest step."""
        found: Ints = np.clip(np.searchsorted(self.edges, ts, side="left") - 1, 0, len(self) - 1)
        return found

    def sums(self, ts: Ints, values: Floats) -> Floats:
        """The sum of the values in each step."""
        return np.bincount(self.index(ts), weights=values, minlength=len(self)).astype(np.float64)

    def last(self, ts: Ints, values: Floats) -> Floats:
        """The last value in each step, NaN where there is none. Values must be in order of time."""
        out = np.full(len(self), np.nan)
        out[self.index(ts)] = values  # of several values for an index, numpy keeps the last
        return out

    def known(self, *ts: Ints) -> npt.NDArray[np.bool_]:
        """Whether each step has any row."""
        out = np.zeros(len(self), dtype=bool)
        for some in ts:
            out[self.index(some)] = True
        return out


def steps(trace: Trace, *ts: Ints) -> Steps:
    """The steps of a chart whose rows were counted at these instants (at least one).

    They end at snapshots, whether or not there are rows at each. An interval belongs to the window that it ends in.
    """
    started_ns = trace.metadata["started_ns"]
    clocks = columns(trace, EDGES)["ts"]
    edges = np.unique(np.concatenate([clocks, [started_ns], *ts]))
    if trace.until_ns is not None:
        edges = edges[edges <= trace.until_ns]
    if trace.since_ns is not None:
        edges = edges[max(0, int(np.searchsorted(edges, trace.since_ns, side="right")) - 1) :]
    if len(edges) < 2:  # everything came at one instant
        edges = np.array([edges[0] - 10**9, edges[0]])
    return Steps(_fewer(_even(edges)), started_ns)


def _even(edges: Ints) -> Ints:
    """The edges without intervals far shorter than the others, such as the last: a rate in them would be noise."""
    least = np.median(np.diff(edges)) * SHORT
    out = [int(edges[-1])]
    for edge in edges[-2:0:-1].tolist():
        if out[-1] - edge >= least:
            out.append(edge)
    while len(out) > 1 and out[-1] - edges[0] < least:
        out.pop()
    return np.array([*out, int(edges[0])][::-1], dtype=np.int64)


def _fewer(edges: Ints) -> Ints:
    """The edges with at most `MOST` steps between them, all with about as many snapshots."""
    if len(edges) <= MOST + 1:
        return edges
    fewer: Ints = edges[np.unique(np.linspace(0, len(edges) - 1, MOST + 1).round().astype(int))]
    return fewer


def boxes(spans: Iterable[tuple[float, float]], low: float, high: float) -> list[list[tuple[float, float]]]:
    """For each span the corners of a box of this height."""
    return [[(a, low), (a, high), (b, high), (b, low)] for a, b in spans]


def merged(spans: Iterable[tuple[float, float]], least: float) -> list[tuple[float, float]]:
    """The spans, each at least this wide, merged where they would touch: thousands become a few."""
    out: list[tuple[float, float]] = []
    for began, ended in sorted(spans):
        ended = max(ended, began + least)
        if out and began <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], ended))
        else:
            out.append((began, ended))
    return out
