"""Marks and notes in charts: a thin line at their time, with their text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysmon.analyze.charts import style
from sysmon.analyze.charts.data import columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sysmon.analyze.trace.trace import Trace

QUERY = """
SELECT epoch_ns(ts) AS began, COALESCE(epoch_ns(until), epoch_ns(ts)) AS ended, text
FROM report.remarks
WHERE EPOCH_NS(ts) IS NOT NULL
LIMIT 200
"""

TEXTS = 12
"""Most remarks with a text: more would hide the chart."""


def draw(axes: Axes, trace: Trace) -> None:
    """Draws them into all panels that share this time axis, within its limits, with texts in the topmost."""
    found = columns(trace, QUERY)
    started_ns = trace.metadata["started_ns"]
    low, high = axes.get_xlim()
    panels = axes.get_shared_x_axes().get_siblings(axes)
    top = max(panels, key=lambda panel: float(panel.get_position().y1))
    told = 0
    for began, ended, text in zip(found["began"].tolist(), found["ended"].tolist(), found["text"], strict=True):
        edges = [(ns - started_ns) / 1e9 for ns in dict.fromkeys((began, ended))]
        inside = [second for second in edges if low <= second <= high]
        for panel in panels:
            for second in inside:
                panel.axvline(second, color=style.INK, linewidth=0.6, alpha=0.6, zorder=5, gid="remark")
        if inside and told < TEXTS:
            _tell(top, inside[0], style.text_of(text, 32), of_end=inside[0] > (low + high) / 2)
            told += 1


def _tell(axes: Axes, second: float, text: str, *, of_end: bool) -> None:
    """Writes the text along the line, on the side where there is more room."""
    axes.text(
        second, 0.98, f" {text} ", transform=axes.get_xaxis_transform(), rotation=90, va="top",
        ha="right" if of_end else "left", fontsize=5.5, alpha=0.85, zorder=6, clip_on=True, gid="remark",
    )  # fmt: skip
