"""A differential flame graph: where the samples of one recording went, coloured by how that differs from another.

After Brendan Gregg, "Differential Flame Graphs" (2014), with shares in place of counts, as recordings differ in length,
and with colour only where the change is more than the error of sampling.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_hex, to_rgb

from sysmon.analyze.charts import page
from sysmon.analyze.charts.flamegraph import LEAST, LEVEL, LEVELS, put
from sysmon.analyze.stacks.folded import ON_CPU, Folded, Frame, folded
from sysmon.analyze.stacks.tree import Box, Node, compared, missing, tree
from sysmon.errors import NoData

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sysmon.analyze.trace.trace import Trace

MORE, LESS, SAME = "#e05a4f", "#4f8fd6", "#e4e4e0"
"""Of a share that is larger after, smaller, or not proven to differ."""

FULL = 0.2
"""From this change of a share on, the colour is full."""

FAINTEST = 0.35
"""How much of it the smallest change has."""

CERTAIN = 2.576
"""Standard errors of a difference beyond which less than 1 % is chance (two-sided, normal)."""

TITLE = "What ran on the CPUs, before and after"


def draw(before: Trace, after: Trace, comms: Collection[str] = ()) -> Figure:
    """The stacks of AFTER, of these commands or all. Raises NoData if a trace has no samples of them."""
    sides = [tree(_of_commands(folded(trace, ON_CPU), comms)) for trace in (before, after)]
    for root, name in zip(sides, ("BEFORE", "AFTER"), strict=True):
        if not root.weight:
            raise NoData(f"there are no samples in this part of {name}: there is no flame graph to draw")
    was, now = sides
    shown = list(compared(now, was, now.weight * LEAST, LEVELS))
    height = max(box.level for box, _ in shown) + 1
    changes = {(box.level, box.left): change(weight, was.weight, box.weight, now.weight) for box, weight in shown}
    legend = [
        page.Entry(MORE, "a larger share after"),
        page.Entry(LESS, "a smaller share"),
        page.Entry(SAME, "no more than chance"),
    ]
    sheet = page.Page(
        TITLE, page.subtitle(after), (height * LEVEL,), legend, _notes(was, now), left=0.1, right=0.1, foot=0.06
    )
    figure, (axes,) = sheet.made()
    tiles = [(box, _colour(changes[box.level, box.left])) for box, _ in shown]
    put(axes, tiles, now.weight, height, lambda box, letters: _text(box, changes[box.level, box.left], letters))
    return figure


def _of_commands(stacks: Iterable[Folded], comms: Collection[str]) -> Iterator[Folded]:
    """With the command in place of the process: pids mean nothing in another recording."""
    for stack in stacks:
        if not comms or stack.comm in comms:
            yield replace(stack, frames=(Frame(stack.comm, "process"), *stack.frames[1:]))


def change(before: int, of_before: int, after: int, of_after: int) -> float:
    """How much larger the second share is; 0 if that may be chance.

    The standard error is that of a difference of two shares of independent samples, with Agresti and Caffo's (2000)
    added observations, so that none at all is no certainty.
    """
    p, q = (before + 1) / (of_before + 2), (after + 1) / (of_after + 2)
    error = math.sqrt(p * (1 - p) / (of_before + 2) + q * (1 - q) / (of_after + 2))
    return after / of_after - before / of_before if abs(q - p) > CERTAIN * error else 0.0


def _colour(change: float) -> str:
    if not change:
        return SAME
    part = FAINTEST + (1 - FAINTEST) * min(abs(change) / FULL, 1)
    full, none = np.array(to_rgb(MORE if change > 0 else LESS)), np.array(to_rgb(SAME))
    return to_hex(tuple(part * full + (1 - part) * none))


def _text(box: Box, change: float, letters: int) -> str:
    if not box.level:
        return f"all: {box.weight:,} samples"
    points = f" {100 * change:+.1f}" if change else ""
    return box.frame.name + (points if len(box.frame.name) + len(points) <= letters else "")


def _notes(was: Node, now: Node) -> list[str]:
    notes = [
        f"Sampled: {was.weight:,} samples before, {now.weight:,} after. A box is as wide as its share after; numbers "
        "are points of a hundred by which the share differs, beyond the error of sampling (99 %, each by itself)."
    ]
    gone = list(missing(was, now))
    if gone:
        weight, most = sum(node.weight for node in gone), max(gone, key=lambda node: (node.weight, node.frame.name))
        notes.append(
            f"Not drawn: {100 * weight / was.weight:.1f} % of the samples before have stacks that are not there "
            f"after; most of one are below {most.frame.name} ({100 * most.weight / was.weight:.1f} %)."
        )
    return notes
