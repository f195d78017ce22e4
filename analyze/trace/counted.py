"""What a window cuts of what is counted from snapshot to snapshot: whole intervals are in it, those that end in it."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING

from sysmon.bpf.kinds import kind_named

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

ENDS = (
    "SELECT s.*, (SELECT EPOCH_NS(MAX(ts)) FROM unfiltered.clocks WHERE EPOCH_NS(ts) <= s.began_ns), "
    "(SELECT EPOCH_NS(MIN(ts)) FROM unfiltered.clocks WHERE EPOCH_NS(ts) >= s.ended_ns) "
    "FROM (SELECT began_ns, ended_ns, counted_from_ns, counted_to_ns FROM finding.span) AS s"
)

TOLD = 0.01
"""Part of the window by which its counts may be of another time before that is told."""


def whole_intervals(trace: Trace, kinds: Collection[str]) -> str:
    """Which intervals the counts of these kinds are of, if that is not the window; empty if it is, or for events."""
    if (trace.since_ns is None and trace.until_ns is None) or not any(kind_named(kind).of_interval for kind in kinds):
        return ""
    ((began, ended, first, last, before, after),) = trace.own(ENDS).fetchall()
    if max(abs(first - began), abs(last - ended)) <= TOLD * (ended - began):
        return ""

    def at(ns: int) -> str:
        # Rounded up: as --since or --until it then has the same intervals as the snapshot.
        return f"+{math.ceil((ns - trace.metadata['started_ns']) / 1e6) / 1e3:.3f}"

    told = "window: counts are of whole intervals between snapshots, those that end in it: "
    if first < last:
        return f"{told}from {at(first)} to {at(last)}, not from {at(began)} to {at(ended)}"
    around = "" if before is None or after is None else f"; the snapshots around it are at {at(before)} and {at(after)}"
    return f"{told}none{around}"
