"""Memory that the kernel allocated while processes ran, and that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sysmon.analyze.charts import page, stack, style, units
from sysmon.analyze.charts.data import IDS, UNKNOWN, columns
from sysmon.analyze.charts.intervals import steps
from sysmon.analyze.charts.losses import losses, shade
from sysmon.analyze.charts.ranks import ranking
from sysmon.errors import NoData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sysmon.analyze.charts.ask import Ask
    from sysmon.analyze.charts.data import Floats
    from sysmon.analyze.charts.intervals import Steps

ALLOCATED = f"""
SELECT epoch_ns(ts) AS ts, {IDS}, CAST(allocated_bytes AS DOUBLE) AS allocated, CAST(freed_bytes AS DOUBLE) AS freed
FROM main.kernel_memory
WHERE ts IS NOT NULL AND allocated_bytes IS NOT NULL
"""

SLABS = """
SELECT epoch_ns(ts) AS ts, CAST(slab_bytes AS DOUBLE) AS slabs
FROM main.machine
WHERE ts IS NOT NULL AND slab_bytes IS NOT NULL
ORDER BY ts
"""


def draw(ask: Ask) -> Figure:
    """Raises NoData if nothing was allocated."""
    trace = ask.trace
    rows = columns(trace, ALLOCATED)
    if not rows["allocated"].sum() > 0:
        raise NoData("the kernel allocated nothing in this part of the trace: there is no kernel_memory to draw")
    slabs = columns(trace, SLABS)
    over = steps(trace, rows["ts"], slabs["ts"])
    top = ranking(trace)["kernel_memory"]
    known = np.ones(len(over), dtype=bool)
    of_processes = rows["pid"] != UNKNOWN
    mine = {name: column[of_processes] for name, column in rows.items()}
    layers = stack.layers(over, mine, mine["allocated"], top, known)
    net = stack.totals(mine, mine["allocated"] - np.nan_to_num(mine["freed"]), top)
    in_interrupts = over.sums(rows["ts"][~of_processes], rows["allocated"][~of_processes]) / over.widths_s
    if in_interrupts.sum() > 0:
        layers.append(stack.Layer("in interrupts", style.REST, in_interrupts))
        net = [*net, float(np.nansum(rows["allocated"][~of_processes] - np.nan_to_num(rows["freed"][~of_processes])))]
    amounts = [float(np.nansum(layer.values * over.widths_s)) for layer in layers]
    legend = [
        page.Entry(layer.colour, f"{layer.label}: {units.amount(a)}, net {units.amount(n)}")
        for layer, a, n in zip(layers, amounts, net, strict=True)
    ]
    lost = losses(trace, ask.chart)
    notes = [
        "Gross: what was allocated while a process ran; what one allocates, another may free. Net: less the freed "
        "objects whose size is known.",
        lost.note,
    ]
    heights = (1.8, 0.8) if len(slabs["ts"]) else (1.8,)
    figure, axes = page.Page(ask.chart.title, page.subtitle(trace), heights, legend, notes).made()
    unit, scale = units.byte_unit(float(np.nanmax(sum(layer.values for layer in layers))))
    stack.draw(axes[0], over, [stack.Layer(one.label, one.colour, one.values / scale) for one in layers])
    axes[0].set_title(f"Objects allocated: {units.amount(sum(amounts))} in all")
    axes[0].set_ylabel(f"[{unit}/s]")
    page.grid(axes[0])
    if len(slabs["ts"]):
        _slabs(axes[1], over, over.last(slabs["ts"], slabs["slabs"]))
    page.time_axis(axes[-1], trace, float(over.edges_s[0]))
    for panel in axes:
        shade(panel, lost)
    return figure


def _slabs(axes: Axes, over: Steps, held: Floats) -> None:
    present = held[~np.isnan(held)]
    low, high = float(present.min()), float(present.max())
    unit, scale = units.byte_unit(max(high - low, high / 20))
    axes.stairs(held / scale, over.edges_s, baseline=None, color=style.INK, linewidth=1, gid="slabs")
    change = units.signed(float(present[-1] - present[0]))
    axes.set_title(
        f"All objects of the kernel: {units.amount(float(present[-1]))} at the end, {change} since the start"
    )
    axes.set_ylabel(f"held [{unit}]")
    page.grid(axes)
    room = max(high - low, high / 100) / scale
    axes.set_ylim(max(0, low / scale - room * 0.3), high / scale + room * 0.3)
