"""Resident memory of processes over time, and the machine's memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sysmon.analyze.charts import page, stack, style, units
from sysmon.analyze.charts.data import IDS, Floats, Ints, columns
from sysmon.analyze.charts.intervals import Steps, steps
from sysmon.analyze.charts.losses import losses, shade
from sysmon.analyze.charts.ranks import TOP, Key, Ranking, Shown, ranking
from sysmon.errors import NoData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sysmon.analyze.charts.ask import Ask
    from sysmon.analyze.trace.trace import Trace

SAMPLES = f"""
SELECT epoch_ns(ts) AS ts, {IDS}, CAST(rss_bytes AS DOUBLE) AS rss_bytes
FROM report.memory_timeline
WHERE ts IS NOT NULL AND rss_bytes IS NOT NULL
"""

ENDS = f"SELECT epoch_ns(ts) AS ts, {IDS} FROM main.exits WHERE ts IS NOT NULL"

GROWTH = f"""
SELECT {IDS}, comm, growth_bytes_per_min, r2, samples, span_s, CAST(first_rss_bytes AS DOUBLE) AS first_rss_bytes,
    COALESCE(shmem_bytes_per_min > growth_bytes_per_min / 2, FALSE) AS is_shared
FROM report.memory_growth
WHERE growth_bytes_per_min IS NOT NULL
"""

LINEAR, SOME = 0.5, 0.01
"""A rate is shown if the growth is this close to a straight line, and this large a share of the final size."""

STEADY = {"r2": 0.9, "samples": 5, "bytes": 1 << 20, "share": 0.1}
"""Growth is called steady if it is this close to a straight line, seen this often, and this large in total and in
share.
"""

MACHINE = """
SELECT epoch_ns(ts) AS ts, CAST(mem_total_bytes AS DOUBLE) AS total, CAST(mem_available_bytes AS DOUBLE) AS available
FROM main.machine
WHERE ts IS NOT NULL AND mem_total_bytes IS NOT NULL AND mem_available_bytes IS NOT NULL
ORDER BY ts
"""


LEAKS = 3
"""Most processes that are named as growing."""


@dataclass(frozen=True)
class Growth:
    """How a process's memory grew."""

    comm: str | None
    bytes_per_min: float
    is_told: bool
    is_steady: bool
    is_shared: bool  # more than half of it is shared memory

    @property
    def text(self) -> str:
        """The rate, such as '+1.5 MiB/min'."""
        return f"{units.signed(self.bytes_per_min)}/min"


def draw(ask: Ask) -> Figure:
    """Raises NoData if no process was sampled."""
    trace = ask.trace
    rows = columns(trace, SAMPLES)
    if not len(rows["ts"]):
        raise NoData("no process that ran has a snapshot in this part of the trace: there is no memory to draw")
    machine = columns(trace, MACHINE)
    over = steps(trace, rows["ts"], machine["ts"])
    growth = _growth(trace)
    leaks = sorted((key for key, g in growth.items() if g.is_steady), key=lambda k: (-growth[k].bytes_per_min, k))
    top = _with_leak(ranking(trace), leaks, growth)
    layers = _layers(over, rows, columns(trace, ENDS), top)
    lost = losses(trace, ask.chart)
    unit, scale = units.byte_unit(float(np.nanmax(sum(layer.values for layer in layers))))
    legend = []
    for layer, shown in zip(layers, [*top, None], strict=False):
        rate = growth.get(shown.key) if shown else None
        legend.append(
            page.Entry(
                layer.colour, f"{layer.label}: {_peak(layer.values)}{f', {rate.text}' if rate and rate.is_told else ''}"
            )
        )
    notes = [_leak_note(key, growth[key]) for key in leaks[:LEAKS]]
    heights = (2.3, 0.8) if len(machine["ts"]) else (2.3,)
    figure, axes = page.Page(ask.chart.title, page.subtitle(trace), heights, legend, [*notes, lost.note]).made()
    stack.draw(axes[0], over, [stack.Layer(one.label, one.colour, one.values / scale) for one in layers])
    axes[0].set_title(
        f"Of {len(stack.keys(rows['pid'], rows['start'])):,} processes that ran; shared memory counts for each"
    )
    axes[0].set_ylabel(f"resident memory [{unit}]")
    page.grid(axes[0])
    if len(machine["ts"]):
        _machine(axes[1], over, machine)
    page.time_axis(axes[-1], trace, float(over.edges_s[0]))
    for panel in axes:
        shade(panel, lost)
    return figure


def _peak(values: Floats) -> str:
    return units.amount(float(np.nanmax(values)))


def _growth(trace: Trace) -> dict[Key, Growth]:
    rows = columns(trace, GROWTH)
    grown = rows["growth_bytes_per_min"] / 60 * rows["span_s"]
    steady = (
        (np.nan_to_num(rows["r2"]) >= STEADY["r2"])
        & (rows["samples"] >= STEADY["samples"])
        & (grown >= STEADY["bytes"])
        & (grown >= STEADY["share"] * rows["first_rss_bytes"])
    )
    told = (np.nan_to_num(rows["r2"]) >= LINEAR) & (np.abs(grown) >= SOME * (rows["first_rss_bytes"] + grown))
    keys = zip(rows["pid"].tolist(), rows["start"].tolist(), strict=True)
    values = zip(
        rows["comm"].tolist(),
        rows["growth_bytes_per_min"].tolist(),
        told.tolist(),
        steady.tolist(),
        rows["is_shared"].tolist(),
        strict=True,
    )
    return {key: Growth(*value) for key, value in zip(keys, values, strict=True)}


def _with_leak(ranked: Ranking, leaks: list[Key], growth: dict[Key, Growth]) -> list[Shown]:
    """The largest processes and the one that grows most steadily, however small, in its usual colour."""
    top = ranked["memory"]
    if not leaks or leaks[0] in {s.key for s in top}:
        return top
    kept = top[: TOP - 1]
    known = next((s for group in ranked.values() for s in group if s.key == leaks[0]), None)
    free = next(c for c in style.PALETTE if c not in {s.colour for s in kept})
    return [*kept, known or Shown(leaks[0], growth[leaks[0]].comm, False, free)]


def _leak_note(key: Key, growth: Growth) -> str:
    how = "touches more of its shared memory" if growth.is_shared else "grows steadily"
    return f"{style.text_of(growth.comm)} {key[0]} {how}, by {units.amount(growth.bytes_per_min)} a minute."


def _layers(over: Steps, rows: dict[str, Any], ends: dict[str, Any], top: list[Shown]) -> list[stack.Layer]:
    """What each process has at the end of each step: its last known size, until it ends."""
    order = np.lexsort((rows["ts"], rows["start"], rows["pid"]))
    pids, starts, rss = rows["pid"][order], rows["start"][order], rows["rss_bytes"][order]
    is_first = np.append(True, (pids[1:] != pids[:-1]) | (starts[1:] != starts[:-1]))
    before = np.where(is_first, 0, np.append(0, rss[:-1]))
    is_last = np.append(is_first[1:], True)
    owner = stack.owners(pids, starts, top)
    changes = np.zeros((len(top) + 1, len(over) + 1))
    np.add.at(changes, (owner, over.index(rows["ts"][order])), rss - before)
    gone = dict(
        zip(zip(ends["pid"].tolist(), ends["start"].tolist(), strict=True), _ended(over, ends["ts"]), strict=True)
    )
    lasts = zip(pids[is_last].tolist(), starts[is_last].tolist(), strict=True)
    when = np.array([gone.get(key, len(over)) for key in lasts])
    np.add.at(changes, (owner[is_last], when), -rss[is_last])
    sums = np.clip(np.cumsum(changes, axis=1)[:, :-1], 0, None)
    out = [stack.Layer(s.label, s.colour, sums[i]) for i, s in enumerate(top)]
    if (owner == len(top)).any():
        out.append(stack.Layer(stack.others_label(pids, starts, top), style.OTHERS, sums[-1]))
    return out


def _ended(over: Steps, ts: Ints) -> list[int]:
    """The first step at whose end a process that ended at that time is gone."""
    found: list[int] = np.searchsorted(over.edges[1:], ts, side="left").tolist()
    return found


def _machine(axes: Axes, over: Steps, machine: dict[str, Any]) -> None:
    used, total = (over.last(machine["ts"], v) for v in (machine["total"] - machine["available"], machine["total"]))
    unit, scale = units.byte_unit(float(np.nanmax(total)))
    axes.stairs(used / scale, over.edges_s, fill=True, facecolor=style.OTHERS, edgecolor="none", gid="used")
    axes.stairs(total / scale, over.edges_s, baseline=None, color=style.INK, linewidth=0.8, linestyle="--", gid="total")
    last = float(machine["total"][-1] - machine["available"][-1])
    axes.set_title(
        f"The machine: {units.amount(last)} in use at the end, "
        f"{units.amount(float(machine['available'][-1]))} available of {units.amount(float(machine['total'][-1]))}"
    )
    axes.set_ylabel(f"in use [{unit}]")
    page.grid(axes)
    axes.set_ylim(0, float(np.nanmax(total)) / scale * 1.08)
