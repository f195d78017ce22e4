"""Latency of system calls over time: time across, latency up, colour by number of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from sysmon.analyze.charts import page, style, units
from sysmon.analyze.charts.data import Floats, columns
from sysmon.analyze.charts.intervals import Steps, steps
from sysmon.analyze.charts.latency import LEAST_NS, Histogram
from sysmon.analyze.charts.losses import losses, shade
from sysmon.errors import NoData
from sysmon.safe_text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

    from sysmon.analyze.charts.ask import Ask

CELLS = """
WITH counted AS (
    SELECT ts, bucket, SUM(calls) AS calls, SUM(total_ns) AS total_ns, MAX(max_ns) AS max_ns
    FROM main.syscall_stats
    WHERE unfiltered.is_bucket(bucket) AND ts IS NOT NULL AND calls > 0
        AND ($syscall IS NULL OR unfiltered.call_name(syscall, nr) = $syscall)
    GROUP BY ts, bucket
)
SELECT epoch_ns(ts) AS ts,
    CAST(unfiltered.bucket_low_ns(bucket) AS DOUBLE) AS low_ns,
    CAST(unfiltered.bucket_high_ns(bucket) AS DOUBLE) AS high_ns,
    CAST(calls AS DOUBLE) AS calls, CAST(total_ns AS DOUBLE) AS total_ns, CAST(max_ns AS DOUBLE) AS max_ns
FROM counted
"""

COLOURS = ListedColormap(colormaps["viridis"](np.linspace(0.12, 0.97, 256)))
"""viridis without its ends, which are invisible on black and on white."""

BAR = 0.1
"""Width of the colour bar [inches]."""


def draw(ask: Ask) -> Figure:
    """Raises NoData if no call returned, or none of this name."""
    trace = ask.trace
    rows = columns(trace, CELLS, {"syscall": ask.syscall})
    if not len(rows["ts"]):
        which = "system call" if ask.syscall is None else f"system call {one_line(ask.syscall)}"
        raise NoData(f"no {which} returned in this part of the trace: there is no heatmap to draw")
    over = steps(trace, rows["ts"])
    which = "system calls" if ask.syscall is None else style.text_of(ask.syscall, 30)
    lost = losses(trace, ask.chart)
    sheet = page.Page(
        f"Latency of {which} over time", page.subtitle(trace), (2.6,), notes=[lost.note], left=0.72, right=0.8
    )
    figure, (axes,) = sheet.made()
    edges, calls = matrix(over, rows)
    mesh = _mesh(axes, over, edges, calls)
    for share, name, line in ((0.5, "p50", "-"), (0.99, "p99", "--")):
        axes.stairs(
            percentiles(over, rows, share), over.edges_s, baseline=None, color=style.INK, linewidth=0.9, linestyle=line,
            gid=name, path_effects=[withStroke(linewidth=2, foreground=style.PAPER)],
        )  # fmt: skip
    axes.set_title(
        f"{units.count(float(rows['calls'].sum()))} calls; the lines are the median and, dashed, the 99th percentile"
    )
    axes.set_ylim(edges[0] / 1.1, edges[-1] * 1.1)
    axes.yaxis.set_major_locator(
        FixedLocator([10.0**e for e in range(13) if edges[0] / 1.1 <= 10.0**e <= edges[-1] * 1.1])
    )
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: units.duration(y)))
    axes.set_ylabel("latency")
    page.time_axis(axes, trace, float(over.edges_s[0]))
    shade(axes, lost)
    _scale(figure, axes, mesh)
    return figure


def matrix(over: Steps, rows: dict[str, Any]) -> tuple[Floats, Floats]:
    """Edges of the latency ranges [ns], and the calls per range and step.

    A range is two buckets, four per doubling: what a page can show.
    """
    lows = np.maximum(rows["low_ns"], 1)
    octave = np.floor(np.log2(lows)).astype(int)
    part = np.floor((lows / 2.0**octave - 1) * 4).astype(int)
    rank = octave * 4 + part
    first, last = int(rank.min()), int(rank.max())
    ranges = np.arange(first, last + 2)
    edges = np.maximum(2.0 ** (ranges // 4) * (1 + (ranges % 4) / 4), LEAST_NS)
    calls = np.zeros((last - first + 1, len(over)))
    np.add.at(calls, (rank - first, over.index(rows["ts"])), rows["calls"])
    return edges, calls


def percentiles(over: Steps, rows: dict[str, Any], share: float) -> Floats:
    """The percentile in each step [ns]; NaN where no call returned."""
    out = np.full(len(over), np.nan)
    at = over.index(rows["ts"])
    order = np.lexsort((rows["low_ns"], at))
    bounds = np.searchsorted(at[order], np.arange(len(over) + 1))
    for i in range(len(over)):
        mine = order[bounds[i] : bounds[i + 1]]
        if len(mine):
            out[i] = Histogram.of("", rows, mine).percentile(share)
    return out


def _mesh(axes: Axes, over: Steps, edges: Floats, calls: Floats) -> QuadMesh:
    axes.set_yscale("log")
    rates = np.ma.masked_less_equal(calls / over.widths_s, 0)
    low, high = float(rates.min()), float(rates.max())
    norm = LogNorm(low, high if high > low * 1.01 else low * 10)
    # As an image: an SVG with each cell as a path would be megabytes.
    return axes.pcolormesh(over.edges_s, edges, rates, cmap=COLOURS, norm=norm, rasterized=True, gid="calls")


def _scale(figure: Figure, axes: Axes, mesh: QuadMesh) -> None:
    box = axes.get_position()
    place = (box.x1 + 0.12 / page.WIDTH, box.y0, BAR / page.WIDTH, box.height)
    bar = figure.colorbar(mesh, cax=figure.add_axes(place), format=FuncFormatter(lambda v, _: units.short(v)))
    bar.minorticks_off()
    bar.set_label("calls a second")
    bar.outline.set_visible(False)
    assert bar.solids is not None
    bar.solids.set_rasterized(True)
