"""Where the time of threads went: their states over time, together and each of the busiest in a lane of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sysmon.analyze.charts import page, stack, style, units
from sysmon.analyze.charts.data import IDS, Floats, columns
from sysmon.analyze.charts.intervals import Steps, steps
from sysmon.analyze.charts.losses import losses, shade
from sysmon.analyze.text.thread_states import AT_REST, OFTEN_RESTING
from sysmon.errors import NoData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sysmon.analyze.charts.ask import Ask

COLOURS = {
    "running": "#009e73",
    "stolen": style.INK,
    "runnable": "#e69f00",
    "throttled": "#d55e00",
    "lock": "#cc79a7",
    "disk": "#0072b2",
    "network": "#56b4e9",
    "pipe": "#7c30dc",
    "page fault": "#802828",
    "kernel": "#b0d088",
}
"""The states that make something slow, from the bottom of the stack, with their colours."""

MOST_PER_RUN = 50
"""They count for the choice of lanes up to this many times the time that the thread ran: one that never ran rests."""

LANES = 12
"""Threads that have a lane."""

STATE = f"CASE WHEN t.is_throughout AND t.state IN {OFTEN_RESTING} THEN 'other' ELSE COALESCE(t.state, 'unknown') END"
"""A thread that waited through all of the window rests, like an idle one of a pool."""

TIMES = f"""
SELECT {IDS}, CAST(tid AS BIGINT) AS tid,
    COALESCE(MAX_BY(MAX_BY(thread, (to_ns, from_ns, thread)), MAX(to_ns)) OVER (PARTITION BY tid), '') AS thread,
    {STATE} AS state, SUM(ns) / 1e9 AS s
FROM main.thread_time AS t
GROUP BY t.pid, t.start, t.tid, {STATE}
"""
"""With the last name of each thread, as the reports have it: an exec changes it."""

OVER_TIME = f"""
WITH steps AS (
    SELECT UNNEST($edges[:-2]) AS from_ns, UNNEST($edges[2:]) AS to_ns
),
shown AS (
    SELECT UNNEST($tids) AS tid
)
SELECT s.to_ns AS ts, COALESCE(h.tid, 0) AS tid, {STATE} AS state,
    SUM(t.ns / 1e9 * (LEAST(t.to_ns, s.to_ns) - GREATEST(t.from_ns, s.from_ns)) / NULLIF(t.to_ns - t.from_ns, 0)) AS s
FROM main.thread_time AS t
JOIN steps AS s ON t.from_ns < s.to_ns AND t.to_ns > s.from_ns
LEFT JOIN shown AS h ON h.tid = t.tid
GROUP BY ALL
"""
"""Of each step the states of the threads that are shown, and together, as 0, those of all others. What lies between two
instants is spread evenly."""


def draw(ask: Ask) -> Figure:
    """Raises NoData if no thread was counted."""
    trace = ask.trace
    totals = columns(trace, TIMES)
    if not len(totals["s"]):
        raise NoData("no thread was counted in this part of the trace: there is no wall_time to draw")
    over = steps(trace)
    lanes = _busiest(totals)
    rows = columns(trace, OVER_TIME, {"edges": over.edges.tolist(), "tids": [tid for tid, _name in lanes]})
    lost = losses(trace, ask.chart)
    resting = sum(_total(totals, state) for state in AT_REST)
    legend = [page.Entry(colour, f"{state}: {_said(totals, state)}") for state, colour in COLOURS.items()]
    legend = [entry for entry in legend if not entry.text.endswith(": 0 s")]
    legend.append(page.Entry("none", f"resting: {units.digits(resting)} s"))
    notes = [
        f"Resting, which is left blank, is any of {', '.join(AT_REST[:-2])}, what is not known, and one wait "
        f"for any of {', '.join(OFTEN_RESTING)} through all of the window.",
        lost.note,
    ]
    sheet = page.Page(ask.chart.title, page.subtitle(trace), (1.9, 0.19 * len(lanes) + 0.1), legend, notes, left=1.3)
    figure, (together, alone) = sheet.made()
    _stack(together, over, rows)
    _lanes(alone, over, rows, lanes)
    page.time_axis(alone, trace, float(over.edges_s[0]))
    for panel in (together, alone):
        shade(panel, lost)
    return figure


def _total(totals: dict[str, Any], state: str) -> float:
    return float(totals["s"][totals["state"] == state].sum())


def _said(totals: dict[str, Any], state: str) -> str:
    return f"{units.digits(_total(totals, state))} s"


def _busiest(totals: dict[str, Any]) -> list[tuple[int, str]]:
    """The threads that spent most time in states that make something slow, and their labels."""
    tids, place = np.unique(totals["tid"], return_inverse=True)
    states = totals["state"].astype(str)

    def seconds_in(*some: str) -> Floats:
        mine = np.where(np.isin(states, some), totals["s"], 0)
        return np.bincount(place, weights=mine, minlength=len(tids)).astype(np.float64)

    surely = seconds_in(*(state for state in COLOURS if state not in OFTEN_RESTING))
    spent = surely + np.minimum(seconds_in(*OFTEN_RESTING), MOST_PER_RUN * seconds_in("running"))
    chosen = [int(i) for i in np.argsort(-spent, kind="stable")[:LANES] if spent[i] > 0]
    names = {int(tid): str(name) for tid, name in zip(totals["tid"], totals["thread"], strict=True)}
    return [(int(tids[i]), f"{style.text_of(names[int(tids[i])], 15)} {tids[i]}") for i in chosen]


def _layers(over: Steps, rows: dict[str, Any], of: stack.Bools) -> list[stack.Layer]:
    """How many of the threads were in each state, on average."""
    out = []
    for state, colour in COLOURS.items():
        mine = of & (rows["state"] == state)
        out.append(stack.Layer(state, colour, over.sums(rows["ts"][mine], rows["s"][mine]) / over.widths_s))
    return out


def _stack(axes: Axes, over: Steps, rows: dict[str, Any]) -> Floats:
    heap = stack.draw(axes, over, _layers(over, rows, np.ones(len(rows["ts"]), bool)))
    axes.set_title("All threads")
    axes.set_ylabel("threads, mean")
    page.grid(axes)
    return heap


def _lanes(axes: Axes, over: Steps, rows: dict[str, Any], lanes: list[tuple[int, str]]) -> None:
    """A strip for each thread, which the states fill."""
    for i, (tid, _label) in enumerate(lanes):
        base = stack.Layer("", "none", np.full(len(over), float(len(lanes) - 1 - i)))
        layers = [
            stack.Layer(f"{layer.label} of {tid}", layer.colour, np.clip(layer.values, 0, 1) * 0.86)
            for layer in _layers(over, rows, rows["tid"] == tid)
        ]
        stack.draw(axes, over, [base, *layers])
    axes.set_ylim(-0.1, max(len(lanes), 1))
    axes.set_yticks(
        [len(lanes) - 1 - i + 0.43 for i in range(len(lanes))], [label for _tid, label in lanes], fontsize=6.5
    )
    axes.tick_params(axis="y", length=0)
    axes.set_title("The threads that ran or were held up most")
