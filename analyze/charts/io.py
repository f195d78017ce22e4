"""Bytes that processes read and wrote over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sysmon.analyze.charts import page, stack, units
from sysmon.analyze.charts.data import IDS, columns
from sysmon.analyze.charts.intervals import steps
from sysmon.analyze.charts.losses import losses, shade
from sysmon.analyze.charts.ranks import ranking
from sysmon.errors import NoData

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sysmon.analyze.charts.ask import Ask

MOVED = f"""
SELECT epoch_ns(ts) AS ts, {IDS},
    CAST(read_bytes AS DOUBLE) AS read_bytes,
    CAST(written_bytes AS DOUBLE) AS written_bytes,
    CAST(copied_bytes AS DOUBLE) AS copied_bytes
FROM report.io_timeline
WHERE ts IS NOT NULL
"""


def draw(ask: Ask) -> Figure:
    """Raises NoData if no process read or wrote a byte."""
    trace = ask.trace
    rows = columns(trace, MOVED)
    ways = {"Read": np.nan_to_num(rows["read_bytes"]), "Written": np.nan_to_num(rows["written_bytes"])}
    copied = float(np.nansum(rows["copied_bytes"]))
    if not any(way.sum() > 0 for way in ways.values()):
        raise NoData("no process read or wrote anything in this part of the trace: there is no io to draw")
    over = steps(trace, rows["ts"])
    top = ranking(trace)["io"]
    known = np.ones(len(over), dtype=bool)
    stacks = {name: stack.layers(over, rows, way, top, known) for name, way in ways.items()}
    read, written = (stack.totals(rows, way, top) for way in ways.values())
    legend = [
        page.Entry(layer.colour, f"{layer.label}: {units.amount(r)} in, {units.amount(w)} out")
        for layer, r, w in zip(stacks["Read"], read, written, strict=True)
    ]
    lost = losses(trace, ask.chart)
    notes = [lost.note]
    if copied:
        notes.append(f"Not drawn: {units.amount(copied)} that were copied in the kernel, as by sendfile.")
    figure, axes = page.Page(ask.chart.title, page.subtitle(trace), (1.3, 1.3), legend, notes).made()
    for panel, (name, layers) in zip(axes, stacks.items(), strict=True):
        heap = sum((layer.values for layer in layers), np.zeros(len(over)))
        unit, scale = units.byte_unit(float(np.nanmax(heap)))
        stack.draw(panel, over, [stack.Layer(one.label, one.colour, one.values / scale) for one in layers])
        panel.set_title(f"{name}: {units.amount(float(ways[name].sum()))} in all")
        panel.set_ylabel(f"[{unit}/s]")
        page.grid(panel)
    page.time_axis(axes[-1], trace, float(over.edges_s[0]))
    for panel in axes:
        shade(panel, lost)
    return figure
