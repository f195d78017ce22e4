"""Flame graphs: what ran on a CPU, or what threads were blocked in, by stack."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from matplotlib.patches import Rectangle

from sysmon.analyze.charts import page, style, units
from sysmon.analyze.stacks.folded import CUT, OFF_CPU, ON_CPU, SKIPPED, Measure, folded
from sysmon.analyze.stacks.tree import Box, Node, boxes, tree
from sysmon.errors import NoData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sysmon.analyze.charts.ask import Ask

COLOURS = {"process": "#b8c4ce", "user": "#f0b27a", "kernel": "#8fc1e3", "reason": "#b5d99c", "unknown": "#d0d0d0"}
"""By origin; light, as names stand on them."""

TOLD = {"user": "in user space", "kernel": "in the kernel", "reason": "what it waited for", "unknown": "unknown"}

LEVEL = 0.125
"""Height of a box [inch]."""

LETTER = 0.042
"""Width of a letter on it [inch]."""

FONT = 5.0

LEVELS = 90
"""Most levels that are drawn."""

IDLE = "idle"
"""`waited_for` of threads of the kernel that have no work."""

LEAST = 1 / 400
"""Boxes of a smaller share are left out: between their edges nothing would be seen of them."""


def draw(ask: Ask) -> Figure:
    """On CPU. Raises NoData if there are no samples."""
    return _draw(ask, ON_CPU)


def draw_off_cpu(ask: Ask) -> Figure:
    """Blocked. Raises NoData if nothing waited."""
    return _draw(ask, OFF_CPU)


def _draw(ask: Ask, measure: Measure) -> Figure:
    root = tree(stack for stack in folded(ask.trace, measure) if stack.reason != IDLE)
    if not root.weight:
        raise NoData(f"there are no stacks in this part of the trace: there is no {ask.chart.name} to draw")
    shown = list(boxes(root, root.weight * LEAST, LEVELS))
    height = max(box.level for box in shown) + 1
    origins = [origin for origin in TOLD if origin != "reason" or measure is OFF_CPU]
    legend = [page.Entry(COLOURS[origin], TOLD[origin]) for origin in origins]
    sheet = page.Page(
        ask.chart.title, page.subtitle(ask.trace), (height * LEVEL,), legend, _notes(ask, measure, root),
        left=0.1, right=0.1, foot=0.06,
    )  # fmt: skip
    figure, (axes,) = sheet.made()
    tiles = [(box, COLOURS[box.frame.origin]) for box in shown]
    put(axes, tiles, root.weight, height, lambda box, letters: _text(box, root.weight, measure, letters))
    return figure


def put(axes: Axes, tiles: list[tuple[Box, str]], whole: int, height: int, text_of: Callable[[Box, int], str]) -> None:
    """Puts coloured boxes in their places, each with its text in as many letters as there is room for."""
    axes.set_xlim(0, 1)
    axes.set_ylim(0, height)
    axes.axis("off")
    inches = page.WIDTH - 0.2
    for box, colour in tiles:
        left, width = box.left / whole, box.weight / whole
        axes.add_patch(Rectangle((left, box.level), width, 1, facecolor=colour, edgecolor=style.PAPER, linewidth=0.4))
        letters = int(width * inches / LETTER) - 1
        if letters >= 3:
            text = style.text_of(text_of(box, letters), letters)
            # Black on every background: the boxes keep their colours on a dark page.
            axes.text(
                left + 0.02 / inches, box.level + 0.46, text, fontsize=FONT, va="center", clip_on=True, color="#000000"
            )


def _text(box: Box, whole: int, measure: Measure, letters: int) -> str:
    share = f" {100 * box.weight / whole:.1f} %"
    if not box.level:
        return f"all: {_amount(box.weight, measure)}"
    return box.frame.name + (share if len(box.frame.name) + len(share) <= letters else "")


def _amount(weight: int, measure: Measure) -> str:
    return f"{weight:,} samples" if measure.unit == "samples" else f"{units.digits(weight / 1e9)} s"


def _notes(ask: Ask, measure: Measure, root: Node) -> list[str]:
    cut = _weight_of(root, CUT)
    notes = []
    if measure.unit == "samples":
        error = 100 * 1.96 * math.sqrt(0.25 / root.weight)
        rate = ask.trace.metadata.get("sample_rate")
        often = f", {rate} a second of each CPU" if rate else ""
        notes.append(
            f"Sampled: {root.weight:,} samples{often}; a share of all of them is uncertain by at most {error:.1f} "
            "points (95 %)."
        )
    else:
        notes.append(
            "Exact: the length of every wait that ended, by where it began, with its reason on top. Left out: threads "
            "of the kernel without work."
        )
    if cut:
        notes.append(
            f"{100 * cut / root.weight:.1f} % are of stacks that do not reach back to where their thread began, mostly "
            f"for lack of frame pointers: they stand on {CUT}."
        )
    if skipped := _weight_below(root, SKIPPED):
        notes.append(
            f"{100 * skipped / root.weight:.1f} % are of stacks with a function that has no frame, mostly of the C "
            f"library: in place of its caller is {SKIPPED}."
        )
    return notes


def _weight_of(root: Node, name: str) -> int:
    return sum(
        child.weight
        for process in root.children.values()
        for child in process.children.values()
        if child.frame.name == name
    )


def _weight_below(root: Node, name: str) -> int:
    """The weight of all stacks that have this."""
    found, waiting = 0, [root]
    while waiting:
        node = waiting.pop()
        if node.frame.name == name:
            found += node.weight
        else:
            waiting += node.children.values()
    return found
