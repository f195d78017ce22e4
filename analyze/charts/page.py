"""The sheet that a chart is drawn on: title, panels below each other, legend and notes, without overlaps.

All sizes are in inches: a chart is as wide as the text of a page, and as high as its content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from sysmon.analyze.charts import remarks, style
from sysmon.analyze.text.describe import seconds
from sysmon.analyze.trace.times import iso

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sysmon.analyze.trace.trace import Trace

WIDTH = 6.3
"""16 cm."""

LEFT, RIGHT = 0.62, 0.14
HEAD, GAP, FOOT = 0.66, 0.34, 0.42
LINE, ENTRY = 0.15, 0.139
"""Margins; space between two panels; space below the last, for its axis; height of a line of notes, and of the legend.
"""

LETTER = 0.054
"""Approximate width of a letter in the legend."""

TICKS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Natural step sizes of a time axis [s]."""


@dataclass(frozen=True)
class Entry:
    """A legend entry: a colour and its meaning."""

    colour: str
    text: str


@dataclass
class Page:
    """Everything around the panels; `made` puts it on a figure."""

    title: str
    subtitle: str
    heights: Sequence[float]
    legend: Sequence[Entry] = ()
    notes: Sequence[str] = field(default_factory=list)
    left: float = LEFT
    right: float = RIGHT
    share_x: bool = True
    foot: float = FOOT

    def made(self) -> tuple[Figure, list[Axes]]:
        """The figure, and its empty panels from the top."""
        columns = _columns(self.legend)
        rows = -(-len(self.legend) // columns)
        notes = [line for note in self.notes if note for line in _wrapped(note)]
        under = self.foot + ENTRY * rows + (0.08 if rows else 0) + LINE * len(notes) + (0.06 if notes else 0)
        height = HEAD + sum(self.heights) + GAP * (len(self.heights) - 1) + under
        figure = Figure(figsize=(WIDTH, height), dpi=100)
        figure.text(0.1 / WIDTH, 1 - 0.11 / height, self.title, va="top", fontsize=10, fontweight="bold")
        figure.text(0.1 / WIDTH, 1 - 0.315 / height, self.subtitle, va="top", fontsize=7, alpha=0.75)
        axes: list[Axes] = []
        top = height - HEAD
        for panel in self.heights:
            box = (self.left / WIDTH, (top - panel) / height, (WIDTH - self.left - self.right) / WIDTH, panel / height)
            axes.append(figure.add_axes(box, sharex=axes[0] if axes and self.share_x else None))
            axes[-1].yaxis.set_label_coords((0.21 - self.left) / (WIDTH - self.left - self.right), 0.5)
            top -= panel + GAP
        if self.share_x:
            for one in axes[:-1]:
                one.tick_params(labelbottom=False)
        if self.legend:
            _legend(figure, self.legend, columns, (under - self.foot) / height)
        for i, note in enumerate(notes):
            figure.text(
                0.1 / WIDTH, (0.06 + LINE * (len(notes) - 1 - i)) / height, note, va="bottom", fontsize=6.5, alpha=0.75
            )
        return figure, axes


def _columns(legend: Sequence[Entry]) -> int:
    widest = max((len(e.text) for e in legend), default=1) * LETTER + 0.35
    return max(1, min(4, int((WIDTH - 0.2) / widest)))


def _legend(figure: Figure, entries: Sequence[Entry], columns: int, top: float) -> None:
    # matplotlib leaves out labels that begin with an underscore, so texts are set afterwards.
    handles = [
        Patch(facecolor=e.colour, edgecolor=style.INK if e.colour == "none" else "none", linewidth=0.6) for e in entries
    ]
    legend = figure.legend(
        handles, ["x"] * len(entries), loc="upper left", bbox_to_anchor=(0.06 / WIDTH, top), ncols=columns, borderpad=0,
        borderaxespad=0, handlelength=1.1, handleheight=0.9, handletextpad=0.5, labelspacing=0.42, columnspacing=1.6,
    )  # fmt: skip
    for text, entry in zip(legend.get_texts(), entries, strict=True):
        text.set_text(entry.text)


def _wrapped(note: str) -> list[str]:
    from textwrap import wrap

    return wrap(note, 122) or [""]


def subtitle(trace: Trace) -> str:
    """The machine, time and duration; and which part was chosen."""
    from sysmon.analyze.text.describe import asked

    info = trace.metadata
    cpus = info["host"]["cpus"]
    parts = [
        style.text_of(info["host"]["name"], 30),
        f"{cpus} CPU{'s' if cpus != 1 else ''}",
        f"{iso(info['started_ns'], 0).replace('T', ' ').rstrip('Z')} UTC",
        f"{seconds(info['ended_ns'] - info['started_ns'])} s",
    ]
    window = asked(trace)
    return " · ".join(parts + ([style.text_of(f"only {window}", 62)] if window else []))


def time_axis(axes: Axes, trace: Trace, began_s: float) -> None:
    """Makes the axis one of time since the recording began, over the chosen part, with marks and notes.

    `began_s` is where the data begin: an interval that ends in the window may have begun before it.
    """
    info = trace.metadata
    low, high = 0.0, (info["ended_ns"] - info["started_ns"]) / 1e9
    if trace.since_ns is not None:
        low = max(low, (trace.since_ns - info["started_ns"]) / 1e9)
    if trace.until_ns is not None:
        high = min(high, (trace.until_ns - info["started_ns"]) / 1e9)
    low = min(low, began_s)
    if high <= low:
        high = low + 1
    axes.set_xlim(low, high)
    unit = "s" if high <= 120 else "min:s" if high < 7200 else "h:min"
    step = next((s for s in TICKS if (high - low) / s <= 9), 86400 * max(1, round((high - low) / 86400 / 8)))
    if high - low < 6:
        axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    else:
        first = int(low // step + (low % step > 0))
        axes.xaxis.set_major_locator(FixedLocator([step * i for i in range(first, int(high // step) + 1)]))
    if unit != "s":
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _clock(x, unit)))
    axes.set_xlabel(f"time since {iso(info['started_ns'], 0)[11:19]} UTC [{unit}]")
    remarks.draw(axes, trace)


def _clock(second: float, unit: str) -> str:
    sign, whole = ("−" if second < 0 else ""), round(abs(second))
    if unit == "min:s":
        return f"{sign}{whole // 60}:{whole % 60:02d}"
    return f"{sign}{whole // 3600}:{whole % 3600 // 60:02d}"


def grid(axes: Axes) -> None:
    """Faint lines behind data that begins at 0, to read values by; numbers without exponents."""
    if axes.get_yscale() == "linear":
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.10g}"))
    axes.grid(axis="y", color=style.INK, alpha=0.13, linewidth=0.5)
    axes.set_axisbelow(True)
