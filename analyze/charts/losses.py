"""What was lost, and when: shaded where it happened, so that a dip in a chart is not taken for rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.collections import PolyCollection

from sysmon.analyze.charts import style
from sysmon.analyze.charts.data import columns
from sysmon.analyze.charts.steps import boxes, merged
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
"""Places that the note names."""

LEAST = 0.004
"""Width of the narrowest shade, as a part of the axis."""


@dataclass(frozen=True)
class Losses:
    """Spans of time in which something was lost [s since the recording began], and the line that says what."""

    spans: tuple[tuple[float, float], ...]
    note: str


def losses(trace: Trace, chart: Chart) -> Losses:
    """What was lost that the chart would show."""
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
    """Whether what was lost at the place is missing in the chart.

    A program's copy is called like the program, and where those are counted that found no room like the kind, with an
    end. What has no name may concern any chart.
    """
    return place == "?" or place.removesuffix("_again").removesuffix(" of others") in chart.places


def shade(axes: Axes, lost: Losses) -> None:
    """Shades the spans, over whatever is drawn, as far as they are in the axis."""
    low, high = axes.get_xlim()
    least = LEAST * (high - low)
    inside = [(max(began, low), min(ended, high)) for began, ended in lost.spans if began < high and ended > low]
    if not inside:
        return
    shaded = boxes(merged(inside, least), 0, 1)
    # Hatched by another of its own: an SVG gives a hatch and what is behind it one opacity.
    hatched: dict[str, Any] = {"facecolor": "none", "edgecolor": (style.INK, 0.5), "hatch": "////"}
    for look in ({"facecolor": (style.INK, 0.12), "edgecolor": "none", "gid": "loss"}, hatched):
        spans = PolyCollection(shaded, transform=axes.get_xaxis_transform(), linewidth=0, zorder=4, **look)
        axes.add_collection(spans, autolim=False)
