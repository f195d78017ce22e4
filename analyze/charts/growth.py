"""Change of processes' resident memory since the recording began."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sysmon.analyze.charts import page, style, units
from sysmon.analyze.charts.data import IDS, columns
from sysmon.analyze.charts.intervals import steps
from sysmon.analyze.charts.losses import losses, shade
from sysmon.analyze.charts.ranks import Key, ranking
from sysmon.errors import NoData

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sysmon.analyze.charts.ask import Ask
    from sysmon.analyze.charts.data import Floats, Ints

SAMPLES = f"""
WITH execs AS (
    SELECT process_key, MAX(ts) AS ts
    FROM main.execs
    GROUP BY process_key
),
samples AS (
    SELECT m.ts, m.pid, m.start, CAST(m.rss_bytes AS DOUBLE) AS rss_bytes
    FROM report.memory_timeline AS m
    LEFT JOIN execs AS e ON e.process_key = unfiltered.process_key(m.pid, m.start)
    WHERE m.ts IS NOT NULL AND m.rss_bytes IS NOT NULL AND (e.ts IS NULL OR m.ts >= e.ts)
)
SELECT epoch_ns(ts) AS ts, {IDS}, rss_bytes - FIRST_VALUE(rss_bytes) OVER (PARTITION BY pid, start ORDER BY ts) AS grown
FROM samples
ORDER BY pid, start, ts
"""
"""An exec replaces a process's memory, so growth is not counted from before it."""

OTHERS = 200
"""Most grey lines, of those that changed most: more would be a grey area."""


def draw(ask: Ask) -> Figure:
    """Raises NoData if no process was sampled twice."""
    trace = ask.trace
    rows = columns(trace, SAMPLES)
    lines = changes(rows)
    if not lines:
        raise NoData("no process has two snapshots in this part of the trace: there is no growth to draw")
    over = steps(trace, rows["ts"])
    began_ns = over.started_ns
    top = [s for s in ranking(trace)["growth"] if s.key in lines]
    unit, scale = units.byte_unit(max(float(np.abs(grown).max()) for _, grown in lines.values()))
    legend = [page.Entry(s.colour, f"{s.label}: {units.signed(float(lines[s.key][1][-1]))}") for s in top]
    others = sorted(lines.keys() - {s.key for s in top}, key=lambda key: -float(np.abs(lines[key][1]).max()))
    if others:
        legend.append(page.Entry(style.OTHERS, f"{len(others):,} other{'s' if len(others) > 1 else ''}"))
    lost = losses(trace, ask.chart)
    notes = [f"{len(others) - OTHERS:,} that changed least are not drawn."] if len(others) > OTHERS else []
    sheet = page.Page(ask.chart.title, page.subtitle(trace), (2.3,), legend, [*notes, lost.note])
    figure, (axes,) = sheet.made()
    for key in reversed(others[:OTHERS]):
        ts, grown = lines[key]
        axes.plot((ts - began_ns) / 1e9, grown / scale, color=style.OTHERS, linewidth=0.4, alpha=0.5, gid="other")
    for shown in reversed(top):
        ts, grown = lines[shown.key]
        axes.plot((ts - began_ns) / 1e9, grown / scale, color=shown.colour, linewidth=1.4, gid=shown.label)
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set_title(f"Of {len(lines):,} processes that ran in two snapshots or more")
    axes.set_ylabel(f"change of resident memory [{unit}]")
    page.grid(axes)
    low, high = (limit(float(limit(grown)) for _, grown in lines.values()) / scale for limit in (min, max))
    axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low or 1))
    page.time_axis(axes, trace, float(over.edges_s[0]))
    shade(axes, lost)
    return figure


def changes(rows: dict[str, Any]) -> dict[Key, tuple[Ints, Floats]]:
    """Sample times of each process, and growth since its first sample [bytes]; only processes sampled twice or more."""
    ids = list(zip(rows["pid"].tolist(), rows["start"].tolist(), strict=True))
    begins = [i for i, key in enumerate(ids) if i == 0 or key != ids[i - 1]]
    spans = zip(begins, [*begins, len(ids)][1:], strict=True)
    return {ids[a]: (rows["ts"][a:b], rows["grown"][a:b]) for a, b in spans if b - a > 1}
