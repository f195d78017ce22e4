"""What was lost, and when: shaded in charts, so that a dip is not mistaken for idleness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.collections import PolyCollection

from sysmon.analyze.charts import style
from sysmon.analyze.charts.data import columns
from sysmon.analyze.charts.intervals import boxes, merged
from sysmon.analyze.charts.units import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sysmon.analyze.charts.ask import Chart
    from sysmon.analyze.trace.trace import Trace

QUERY = """
SELECT
    epoch_ns(l.ts) AS ended,
    COALESCE(epoch_ns(c.ts), epoch_ns(l.ts)) AS began,
    COALESCE(l.cause, '?') AS cause,
    COALESCE(l.place, '?') AS place,
    CAST(l.lost AS DOUBLE) AS lost
FROM main.losses AS l
ASOF LEFT JOIN unfiltered.clocks AS c ON l.ts > c.ts
WHERE l.ts IS NOT NULL
ORDER BY l.ts, cause, place
"""

NAMED = 3
"""Most places that the note names."""

LEAST = 0.004
"""Width of the narrowest shade, as a fraction of the axis."""


@dataclass(frozen=True)
class Losses:
    """Time spans with losses [s since the recording began], and the line that says what was lost."""

    spans: tuple[tuple[float, float], ...]
    note: str


def losses(trace: Trace, chart: Chart) -> Losses:
    """The losses that affect the chart."""
    rows = columns(trace, QUERY)
    started_ns = trace.metadata["started_ns"]
    spans: dict[tuple[float, float], None] = {}
    totals: dict[str, float] = {}
    for began, ended, cause, place, lost in zip(*(rows[c] for c in QUERY_COLUMNS), strict=True):
        if not concerns(chart, place):
            continue
        spans[(began - started_ns) / 1e9, (ended - started_ns) / 1e9] = None
        what = f"{cause}: {place}"
        totals[what] = totals.get(what, 0) + lost
    if not spans:
        return Losses((), "")
    parts = [f"{count(n) if n == n else 'an unknown number'} ({what})" for what, n in list(totals.items())[:NAMED]]
    more = f" and {len(totals) - NAMED} more causes" if len(totals) > NAMED else ""
    return Losses(tuple(spans), style.text_of(f"Shaded: lost there, and missing here: {', '.join(parts)}{more}.", 110))


QUERY_COLUMNS = ("began", "ended", "cause", "place", "lost")


def concerns(chart: Chart, place: str) -> bool:
    """Whether losses at this place are missing from the chart.

    A program's copy is named after the program, and an overflow map after its kind, each with a suffix. A place without
    a name may affect any chart.
    """
    return place == "?" or place.removesuffix("_again").removesuffix(" of others") in chart.places


def shade(axes: Axes, lost: Losses) -> None:
    """Shades the spans within the axis, over everything drawn."""
    low, high = axes.get_xlim()
    least = LEAST * (high - low)
    inside = [(max(began, low), min(ended, high)) for began, ended in lost.spans if began < high and ended > low]
    if not inside:
        return
    shaded = boxes(merged(inside, least), 0, 1)
    # The hatch is an artist of its own: an SVG gives a hatch and its background one opacity.
    hatched: dict[str, Any] = {"facecolor": "none", "edgecolor": (style.INK, 0.5), "hatch": "////"}
    for look in ({"facecolor": (style.INK, 0.12), "edgecolor": "none", "gid": "loss"}, hatched):
        spans = PolyCollection(shaded, transform=axes.get_xaxis_transform(), linewidth=0, zorder=4, **look)
        axes.add_collection(spans, autolim=False)
