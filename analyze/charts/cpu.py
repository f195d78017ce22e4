"""CPU time of processes over time, compared with the machine's capacity, and how long they waited for a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sysmon.analyze.charts import page, stack, style, units
from sysmon.analyze.charts.data import IDS, Floats, columns
from sysmon.analyze.charts.intervals import steps
from sysmon.analyze.charts.losses import losses, shade
from sysmon.analyze.charts.ranks import ranking
from sysmon.errors import NoData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sysmon.analyze.charts.ask import Ask

USED = f"SELECT epoch_ns(ts) AS ts, {IDS}, cpu_s, wait_s FROM report.cpu_timeline WHERE ts IS NOT NULL AND cpu_s >= 0"

BUSY = """
SELECT epoch_ns(ts) AS ts, SUM(busy_ns) / 1e9 AS busy_s, COALESCE(SUM(stolen_ns), 0) / 1e9 AS stolen_s,
    COALESCE(SUM(offline_ns), 0) / 1e9 AS offline_s
FROM main.host
WHERE ts IS NOT NULL AND busy_ns IS NOT NULL
GROUP BY ts
"""

LITTLE = 0.2
"""If use stays below this fraction of the capacity, the axis does not reach up to it: nothing would be visible."""

NOTICED = 0.002
"""Unaccounted time is drawn above this fraction of the capacity: less is the snapshot itself."""


def draw(ask: Ask) -> Figure:
    """Raises NoData if no process used CPU time."""
    trace = ask.trace
    rows = columns(trace, USED)
    if not len(rows["ts"]):
        raise NoData("no process used CPU time in this part of the trace: there is no cpu to draw")
    busy = columns(trace, BUSY)
    over = steps(trace, rows["ts"], busy["ts"])
    top = ranking(trace)["cpu"]
    known = over.known(rows["ts"], busy["ts"])
    widths = over.widths_s
    layers = stack.layers(over, rows, rows["cpu_s"] * 100, top, known)
    cpus = max(1, trace.metadata["host"]["cpus"])
    used = sum((layer.values for layer in layers), np.zeros(len(over)))
    rest = np.clip(over.sums(busy["ts"], busy["busy_s"]) * 100 / widths - used, 0, None)
    rest_s = float(np.nansum(rest * widths)) / 100
    if rest_s <= NOTICED * cpus * np.sum(widths):
        rest_s = 0.0
    else:
        layers.append(stack.Layer("rest of the machine", style.REST, np.where(known, rest, np.nan)))
    busy_s = sum(float(np.nansum(layer.values * widths)) / 100 for layer in layers)
    stolen = over.sums(busy["ts"], busy["stolen_s"]) * 100 / widths
    stolen_s = float(np.nansum(stolen * widths)) / 100
    if stolen_s > 0:
        layers.append(stack.Layer("stolen by the hypervisor", style.STOLEN, np.where(known, stolen, np.nan)))
    lost = losses(trace, ask.chart)
    offline_s = float(np.nansum(over.sums(busy["ts"], busy["offline_s"])))
    total = np.sum(np.where(known, widths, 0)) * cpus - offline_s
    legend = [page.Entry(layer.colour, f"{layer.label}: {_seconds(layer.values, widths)}") for layer in layers]
    legend.append(page.Entry("none", f"idle: {units.digits(max(0.0, total - busy_s - stolen_s))} s"))
    if offline_s > 0:
        legend.append(page.Entry("none", f"off line: {units.digits(offline_s)} s"))
    notes = [lost.note]
    waited = not np.isnan(rows["wait_s"]).all()
    if not waited:
        notes.append("Waits for a CPU are not drawn: the kernel does not count them (CONFIG_SCHED_INFO).")
    sheet = page.Page(ask.chart.title, page.subtitle(trace), (2.2, 0.8) if waited else (2.2,), legend, notes)
    figure, axes = sheet.made()
    heap = stack.draw(axes[0], over, layers)
    axes[0].set_title(_share(busy_s, busy_s - rest_s, total))
    axes[0].set_ylabel("CPU [% of one CPU]")
    page.grid(axes[0])
    _capacity(axes[0], cpus, float(np.nanmax(heap)))
    if waited:
        waits = stack.layers(over, rows, np.nan_to_num(rows["wait_s"]), top, known)
        stack.draw(axes[1], over, waits)
        axes[1].set_title(
            f"Ready to run, but waiting for a CPU: {units.digits(float(np.nansum(rows['wait_s'])))} s in all"
        )
        axes[1].set_ylabel("threads, mean")
        page.grid(axes[1])
    page.time_axis(axes[-1], trace, float(over.edges_s[0]))
    for panel in axes:
        shade(panel, lost)
    return figure


def _share(busy_s: float, shown_s: float, total_s: float) -> str:
    """How much of the machine was used and, if that is less, how much by the chart's processes."""
    busy, shown = 100 * busy_s / total_s, 100 * shown_s / total_s
    these = f", {shown:.0f} % by these processes" if shown < busy else ""
    return f"Used: {busy:.0f} % of the machine{these}"


def _seconds(values: Floats, widths: Floats) -> str:
    return f"{units.digits(float(np.nansum(values * widths)) / 100)} s"


def _capacity(axes: Axes, cpus: int, highest: float) -> None:
    capacity = 100.0 * cpus
    said = f"{cpus} CPU{'s' if cpus != 1 else ''} = {capacity:,.0f} %"
    if highest < LITTLE * capacity:
        axes.set_ylim(0, highest * 1.25)
        _note(axes, f"the machine has {said}, far above", 0.97, "axes fraction", "top")
        return
    axes.axhline(capacity, color=style.INK, linewidth=0.9, linestyle="--", gid="capacity")
    axes.set_ylim(0, max(capacity, highest) * 1.12)
    _note(axes, said, capacity * 1.01, "data", "bottom")


def _note(axes: Axes, text: str, y: float, coordinates: str, va: str) -> None:
    axes.annotate(text, (0.995, y), xycoords=("axes fraction", coordinates), ha="right", va=va, fontsize=7)
