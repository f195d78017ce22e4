"""Resident memory of processes over time, and what the machine has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analyze.charts import page, stack, style, units
from analyze.charts.data import IDS, Floats, Ints, columns
from analyze.charts.losses import losses, shade
from analyze.charts.ranks import Shown, ranking
from analyze.charts.steps import Steps, steps
from analyze.errors import NoData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from analyze.charts import Ask

SAMPLES = f"""
SELECT epoch_ns(ts) AS ts, {IDS}, CAST(rss_anon_bytes + rss_file_bytes + rss_shmem_bytes AS DOUBLE) AS rss_bytes
FROM main.memory
WHERE ts IS NOT NULL AND rss_anon_bytes + rss_file_bytes + rss_shmem_bytes IS NOT NULL
ORDER BY ts, pid, start
"""

ENDS = f"SELECT epoch_ns(ts) AS ts, {IDS} FROM main.exits WHERE ts IS NOT NULL"

MACHINE = """
SELECT epoch_ns(ts) AS ts, CAST(mem_total_bytes AS DOUBLE) AS total, CAST(mem_available_bytes AS DOUBLE) AS available
FROM main.machine
WHERE ts IS NOT NULL AND mem_total_bytes IS NOT NULL AND mem_available_bytes IS NOT NULL
ORDER BY ts
"""


def draw(ask: Ask) -> Figure:
    """Raises NoData if no process was looked at."""
    trace, chart = ask.trace, ask.chart
    rows = columns(trace, SAMPLES)
    if not len(rows["ts"]):
        raise NoData("no process ran and was looked at in this part of the trace: there is no memory to draw")
    machine = columns(trace, MACHINE)
    over = steps(trace, rows["ts"], machine["ts"])
    top = ranking(trace)["memory"]
    layers = _layers(over, rows, columns(trace, ENDS), top)
    lost = losses(trace, chart)
    unit, scale = units.byte_unit(float(np.nanmax(sum(layer.values for layer in layers))))
    legend = [page.Entry(layer.colour, f"{layer.label}: {_peak(layer.values)}") for layer in layers]
    sheet = page.Page(
        chart.title, page.subtitle(trace), (2.3, 0.8) if len(machine["ts"]) else (2.3,), legend,
        [lost.note] if lost.note else [],
    )  # fmt: skip
    figure, axes = sheet.made()
    scaled = [stack.Layer(layer.label, layer.colour, layer.values / scale) for layer in layers]
    stack.draw(axes[0], over, scaled)
    axes[0].set_ylabel(f"resident memory [{unit}]")
    axes[0].set_ylim(bottom=0)
    page.grid(axes[0])
    if len(machine["ts"]):
        _machine(axes[1], over, machine)
    page.time_axis(axes[-1], trace, float(over.edges_s[0]))
    for panel in axes:
        shade(panel, lost)
    return figure


def _peak(values: Floats) -> str:
    return f"at most {units.amount(float(np.nanmax(values)))}"


def _layers(over: Steps, rows: dict[str, Any], ends: dict[str, Any], top: list[Shown]) -> list[stack.Layer]:
    """What each process has at the end of each step: what it had when last seen, until it ends."""
    keys = stack.keys(rows["pid"], rows["start"])
    place = {key: i for i, key in enumerate(keys)}
    shown = {s.key: i for i, s in enumerate(top)}
    totals = np.zeros((len(top) + 1, len(over)))
    had = np.zeros(len(keys))
    gone = np.full(len(keys), len(over))
    for pid, start, step in zip(ends["pid"].tolist(), ends["start"].tolist(), _ended(over, ends["ts"]), strict=True):
        if (pid, start) in place:
            gone[place[pid, start]] = step
    steps_of = over.index(rows["ts"])
    for pid, start, step, rss in zip(
        rows["pid"].tolist(), rows["start"].tolist(), steps_of.tolist(), rows["rss_bytes"].tolist(), strict=True
    ):
        i = place[pid, start]
        if step < gone[i]:
            totals[shown.get((pid, start), len(top)), step] += rss - had[i]
            had[i] = rss
    for i, key in enumerate(keys):
        if gone[i] < len(over):
            totals[shown.get(key, len(top)), gone[i]] -= had[i]
    sums = np.cumsum(totals, axis=1)
    out = [stack.Layer(s.label, s.colour, sums[i]) for i, s in enumerate(top)]
    if len(keys) > len(top):
        out.append(stack.Layer(stack.others_label(rows["pid"], rows["start"], top), style.OTHERS, sums[-1]))
    return out


def _ended(over: Steps, ts: Ints) -> list[int]:
    """The first step at the end of which a process that ended then is no more."""
    found: list[int] = np.searchsorted(over.edges[1:], ts, side="left").tolist()
    return found


def _machine(axes: Axes, over: Steps, machine: dict[str, Any]) -> None:
    used, total = np.full(len(over), np.nan), np.full(len(over), np.nan)
    at = over.index(machine["ts"])
    used[at], total[at] = machine["total"] - machine["available"], machine["total"]
    unit, scale = units.byte_unit(float(np.nanmax(total)))
    axes.stairs(used / scale, over.edges_s, fill=True, facecolor=style.OTHERS, edgecolor="none", gid="used")
    axes.stairs(total / scale, over.edges_s, baseline=None, color=style.INK, linewidth=0.8, linestyle="--", gid="total")
    last = float(used[at[-1]])
    axes.set_title(
        f"The machine: {units.amount(last)} in use at the end, "
        f"{units.amount(float(machine['available'][-1]))} available of {units.amount(float(machine['total'][-1]))}"
    )
    axes.set_ylabel(f"in use [{unit}]")
    axes.set_ylim(0, float(np.nanmax(total)) / scale * 1.08)
    page.grid(axes)
