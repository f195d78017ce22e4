"""Failed system calls over time, by error and call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sysmon.analyze.charts import page, stack, style, units
from sysmon.analyze.charts.data import Floats, columns, is_text
from sysmon.analyze.charts.intervals import steps
from sysmon.analyze.charts.losses import losses, shade
from sysmon.errors import NoData
from sysmon.safe_text import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sysmon.analyze.charts.ask import Ask

NAME = "COALESCE(syscall, 'syscall_' || CAST(nr AS VARCHAR), 'unknown')"

BY_ERROR = f"""
SELECT epoch_ns(ts) AS ts, {NAME} AS syscall,
    COALESCE(error, 'errno_' || CAST(errno AS VARCHAR), 'unknown') || ' of ' || {NAME} AS name,
    CAST(SUM(calls) AS DOUBLE) AS calls
FROM main.syscall_errors
WHERE ts IS NOT NULL AND calls > 0
GROUP BY ALL
ORDER BY ALL
"""

BY_CALL = """
SELECT epoch_ns(ts) AS ts, syscall, syscall AS name, CAST(SUM(errors) AS DOUBLE) AS calls
FROM main.syscall_latencies
WHERE ts IS NOT NULL AND errors > 0
GROUP BY ALL
ORDER BY ALL
"""

TOP = len(style.PALETTE) - 1
"""Errors that have a colour of their own."""


def draw(ask: Ask) -> Figure:
    """Raises NoData if no call failed, or none of this name."""
    trace = ask.trace
    by_error = "syscall_errors" in trace.metadata["kinds"]
    rows = columns(trace, BY_ERROR if by_error else BY_CALL)
    if ask.syscall is not None:
        rows = {name: column[is_text(rows["syscall"], ask.syscall)] for name, column in rows.items()}
    if not len(rows["ts"]):
        which = "system call" if ask.syscall is None else f"system call {one_line(ask.syscall)}"
        raise NoData(f"no {which} failed in this part of the trace: there are no errors to draw")
    over = steps(trace, rows["ts"])
    totals: dict[str, float] = {}
    for name, calls in zip(rows["name"].tolist(), rows["calls"].tolist(), strict=True):
        totals[name] = totals.get(name, 0.0) + calls
    names = sorted(totals, key=lambda n: (-totals[n], n))
    layers, legend = [], []
    places = {name: place for place, name in enumerate(names)}
    place = np.fromiter((places[name] for name in rows["name"].tolist()), int, len(rows["name"]))
    for number, (name, colour) in enumerate(zip(names, style.PALETTE[:TOP], strict=False)):
        mine = place == number
        layers.append(
            _layer(style.text_of(name, 34), colour, over.sums(rows["ts"][mine], rows["calls"][mine]), over.widths_s)
        )
        legend.append(page.Entry(colour, f"{layers[-1].label}: {units.count(totals[name])}"))
    if len(names) > TOP:
        mine = place >= TOP
        label = f"{len(names) - TOP} other{'s' if len(names) - TOP > 1 else ''}"
        layers.append(_layer(label, style.OTHERS, over.sums(rows["ts"][mine], rows["calls"][mine]), over.widths_s))
        legend.append(page.Entry(style.OTHERS, f"{label}: {units.count(sum(totals[n] for n in names[TOP:]))}"))
    lost = losses(trace, ask.chart)
    notes = [
        "Some failures are part of a program's way: EAGAIN where nothing is there yet, ENOENT along a search path."
    ]
    if not by_error:
        notes.append("By call: which error it was, this trace does not say.")
    figure, (axes,) = page.Page(ask.chart.title, page.subtitle(trace), (2.2,), legend, [*notes, lost.note]).made()
    stack.draw(axes, over, layers)
    axes.set_ylabel("failed calls [1/s]")
    axes.set_title(f"{units.count(sum(totals.values()))} calls failed")
    page.grid(axes)
    page.time_axis(axes, trace, float(over.edges_s[0]))
    shade(axes, lost)
    return figure


def _layer(label: str, colour: str, counts: Floats, widths: Floats) -> stack.Layer:
    return stack.Layer(label, colour, counts / widths)
