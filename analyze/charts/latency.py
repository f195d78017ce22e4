"""Latency histograms of the system calls that took the most time; those that only wait come last.

This is the order of the summary, which shows the first of the same calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from sysmon.analyze.charts import page, style, units
from sysmon.analyze.charts.data import Floats, columns, ids_of, is_text
from sysmon.analyze.charts.losses import losses
from sysmon.errors import NoData
from sysmon.safe_text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sysmon.analyze.charts.ask import Ask

PANELS = 6
"""Most histograms in a chart."""

LEAST_NS = 0.5
"""Upper limit of where a latency axis begins: a logarithmic one has no zero."""

BOTTOM = 0.6
"""Where bars begin, so that a single call is visible."""

OF_BUCKETS = """
    CAST(unfiltered.bucket_low_ns(bucket) AS DOUBLE) AS low_ns,
    CAST(unfiltered.bucket_high_ns(bucket) AS DOUBLE) AS high_ns,
    CAST(SUM(calls) AS DOUBLE) AS calls,
    CAST(SUM(total_ns) AS DOUBLE) AS total_ns,
    CAST(MAX(max_ns) AS DOUBLE) AS max_ns,
    SUM({slept}) AS slept_ns
"""

SLEPT = "blocked_ns - uninterruptible_ns"

BY_PROCESS = f"""
WITH counted AS (
    SELECT pid, start, unfiltered.call_name(syscall, nr) AS syscall, {OF_BUCKETS.format(slept=SLEPT)}
    FROM main.syscall_stats
    WHERE unfiltered.is_bucket(bucket) AND calls > 0
    GROUP BY ALL
)
SELECT {ids_of("c.")}, c.* EXCLUDE (pid, start, slept_ns), COALESCE(p.comm, '?') AS comm,
    unfiltered.waits(c.syscall, SUM(c.total_ns) OVER one_call, SUM(c.slept_ns) OVER one_call) AS waits
FROM counted AS c
LEFT JOIN unfiltered.processes AS p ON p.process_key = unfiltered.process_key(c.pid, c.start)
WINDOW one_call AS (PARTITION BY c.pid, c.start, c.syscall)
ORDER BY ALL
"""

BY_CALL = f"""
WITH counted AS (
    SELECT nr, abi, syscall, bucket, SUM(calls) AS calls, SUM(total_ns) AS total_ns, MAX(max_ns) AS max_ns,
        SUM({SLEPT}) AS slept_ns
    FROM main.syscall_stats
    WHERE unfiltered.is_bucket(bucket) AND calls > 0
    GROUP BY nr, abi, syscall, bucket
),
named AS (
    SELECT abi, unfiltered.call_name(syscall, nr) AS syscall, {OF_BUCKETS.format(slept="slept_ns")}
    FROM counted
    GROUP BY ALL
)
SELECT
    h.* EXCLUDE (abi, slept_ns),
    unfiltered.waits(h.syscall, SUM(h.total_ns) OVER one_call, SUM(h.slept_ns) OVER one_call) AS waits,
    h.syscall || CASE WHEN h.abi IS DISTINCT FROM m.abi THEN ' (' || COALESCE(h.abi, '?') || ')' ELSE '' END AS name
FROM named AS h
CROSS JOIN (SELECT abi FROM named GROUP BY abi ORDER BY SUM(calls) DESC, abi LIMIT 1) AS m
WINDOW one_call AS (PARTITION BY h.abi, h.syscall)
ORDER BY name, low_ns
"""


@dataclass(frozen=True)
class Histogram:
    """Calls by latency: the buckets in use with their limits, and the sum and maximum of the latencies [ns]."""

    name: str
    low_ns: Floats
    high_ns: Floats
    calls: Floats
    sums_ns: Floats
    max_ns: Floats

    @property
    def total_ns(self) -> float:
        """The time that all calls took together [ns]."""
        return float(np.nansum(self.sums_ns))

    def percentile(self, share: float) -> float:
        """The latency at this share of all calls, counted from the fastest [ns].

        It is taken as the middle of its bucket, but no more than the maximum there, as in the reports.
        """
        at = int(np.searchsorted(np.cumsum(self.calls), share * float(np.sum(self.calls)) - 1e-9))
        at = min(at, len(self.calls) - 1)
        return float(np.fmin(self.low_ns[at] + (self.high_ns[at] - self.low_ns[at] - 1) / 2, self.max_ns[at]))

    @staticmethod
    def of(name: str, rows: dict[str, Any], mine: npt.NDArray[Any]) -> Histogram:
        """The histogram of some of the rows."""
        return Histogram(name, *(rows[c][mine] for c in ("low_ns", "high_ns", "calls", "total_ns", "max_ns")))


def draw(ask: Ask) -> Figure:
    """Raises NoData if no call returned, or none of this name."""
    trace, syscall = ask.trace, ask.syscall
    by_process = bool(trace.selection.pids)
    rows = columns(trace, BY_PROCESS if by_process else BY_CALL)
    if by_process:
        names = zip(rows["comm"].tolist(), rows["pid"].tolist(), rows["syscall"].tolist(), strict=True)
        rows["name"] = np.array([f"{style.text_of(comm, 12)} {pid}: {call}" for comm, pid, call in names], dtype=object)
    found = histograms(rows, syscall)
    if not found:
        which = "system call" if syscall is None else f"system call {one_line(syscall)}"
        raise NoData(f"no {which} returned in this part of the trace: there is no latency to draw")
    shown = found[:PANELS]
    lost = losses(trace, ask.chart)
    rest = len(found) - PANELS
    notes = ["The line is the median, p50; the dashed line is p99."]
    if rest > 0:
        notes.append(
            f"{rest} other{'s' if rest > 1 else ''} took less time in all, or mostly wait{'' if rest > 1 else 's'}."
        )
    notes.append(lost.note.replace("Shaded: lost there, and missing here", "Lost, and missing here"))
    sheet = page.Page(ask.chart.title, page.subtitle(trace), [0.72] * len(shown), notes=notes)
    figure, axes = sheet.made()
    for panel, one in zip(axes, shown, strict=True):
        _histogram(panel, one)
    latency_axis(axes[-1], min(float(h.low_ns[0]) for h in shown), max(float(h.high_ns[-1]) for h in shown))
    return figure


def histograms(rows: dict[str, Any], syscall: str | None) -> list[Histogram]:
    """The histogram of each name in the rows, by time taken; those that mostly wait come last."""
    wanted = np.flatnonzero(is_text(rows["syscall"], syscall)) if syscall is not None else np.arange(len(rows["name"]))
    places: dict[str, list[int]] = {}
    for place, name in zip(wanted.tolist(), rows["name"][wanted].tolist(), strict=True):
        places.setdefault(name, []).append(place)
    out = []
    for name, some in places.items():
        mine = np.array(some)
        out.append((bool(rows["waits"][mine].any()), Histogram.of(name, rows, mine)))
    return [h for _, h in sorted(out, key=lambda one: (one[0], -one[1].total_ns, one[1].name))]


def _histogram(axes: Axes, one: Histogram) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    calls, edges = bars(one)
    axes.stairs(calls, edges, baseline=BOTTOM, fill=True, color=style.PALETTE[0], linewidth=0, gid="calls")
    most = float(one.calls.max())
    axes.set_ylim(BOTTOM, most * 2.2)
    for share, text, line in ((0.5, "p50", "-"), (0.99, "p99", "--")):
        axes.axvline(one.percentile(share), color=style.INK, linewidth=0.9, linestyle=line, gid=text)
    p50, p99, p999 = (units.duration(one.percentile(share)) for share in (0.5, 0.99, 0.999))
    total = units.duration(one.total_ns)
    axes.set_title(
        f"{style.text_of(one.name, 36)}: {units.count(float(one.calls.sum()))} calls, {total} in all; "
        f"p50 {p50}, p99 {p99}, p99.9 {p999}"
    )
    axes.yaxis.set_major_locator(FixedLocator([10**e for e in _exponents(most)]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: units.count(y)))
    axes.set_ylabel("calls")
    page.grid(axes)


def bars(one: Histogram) -> tuple[Floats, Floats]:
    """Bars and their edges [ns], adjacent, with NaN for unused buckets in between."""
    calls: list[float] = []
    edges = [max(float(one.low_ns[0]), LEAST_NS)]
    for low, high, count in zip(one.low_ns.tolist(), one.high_ns.tolist(), one.calls.tolist(), strict=True):
        if low > edges[-1]:
            calls.append(np.nan)
            edges.append(low)
        calls.append(count)
        edges.append(high)
    return np.array(calls), np.array(edges)


def _exponents(most: float) -> list[int]:
    last = int(np.log10(max(most, 1)))
    return list(range(0, last + 1, max(1, -(-last // 3))))


def latency_axis(axes: Axes, low_ns: float, high_ns: float) -> None:
    """Makes the axis a latency axis, with a tick at each power of ten."""
    low, high = max(low_ns, LEAST_NS) / 1.15, high_ns * 1.15
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator([10.0**e for e in range(13) if low <= 10.0**e <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: units.duration(x)))
    axes.set_xlabel("latency")
