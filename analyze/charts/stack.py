"""Stacked amounts of processes over time: the largest few in colour, then all others, so that the sum is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.patches import StepPatch

from sysmon.analyze.charts import style
from sysmon.analyze.charts.data import Floats, Ints
from sysmon.analyze.charts.intervals import Steps
from sysmon.analyze.charts.ranks import Key, Shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes


Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Layer:
    """What one colour shows: a value per step, NaN where unknown."""

    label: str
    colour: str
    values: Floats


def owners(pids: Ints, starts: Ints, top: Sequence[Shown]) -> Ints:
    """For each row its process's index in `top`, or its length for all others."""
    out = np.full(len(pids), len(top), dtype=np.int64)
    for i, shown in enumerate(top):
        out[(pids == shown.key[0]) & (starts == shown.key[1])] = i
    return out


def layers(over: Steps, rows: dict[str, Any], amounts: Floats, top: Sequence[Shown], known: Bools) -> list[Layer]:
    """What each process of `top`, and all others together, did per second of each step."""
    owner = owners(rows["pid"], rows["start"], top)
    labels = [(shown.label, shown.colour) for shown in top]
    if (owner == len(top)).any():
        labels.append((others_label(rows["pid"], rows["start"], top), style.OTHERS))
    out = []
    for i, (label, colour) in enumerate(labels):
        mine = owner == i
        rates = over.sums(rows["ts"][mine], amounts[mine]) / over.widths_s
        out.append(Layer(label, colour, np.where(known, rates, np.nan)))
    return out


def totals(rows: dict[str, Any], amounts: Floats, top: Sequence[Shown]) -> list[float]:
    """The sum of each layer."""
    owner = owners(rows["pid"], rows["start"], top)
    out = [float(amounts[owner == i].sum()) for i in range(len(top))]
    return [*out, float(amounts[owner == len(top)].sum())] if (owner == len(top)).any() else out


def others_label(pids: Ints, starts: Ints, top: Sequence[Shown]) -> str:
    """The label of the others, with their number."""
    shown = {s.key for s in top}
    count = sum(key not in shown and key[0] > 0 for key in keys(pids, starts))
    return f"{count:,} other{'s' if count != 1 else ''}" if count else "others"


def draw(axes: Axes, steps: Steps, layers: Sequence[Layer]) -> Floats:
    """Draws the layers, the first at the bottom. Returns their sum. Unknown steps stay blank."""
    base = np.zeros(len(steps))
    for layer in layers:
        top = base + layer.values
        if np.nanmax(np.append(layer.values, 0)) > 0:
            patch = StepPatch(
                top,
                steps.edges_s,
                baseline=base,  # type: ignore[arg-type]  # may be an array, as in `stairs`
                fill=True,
                facecolor=layer.colour,
                edgecolor=style.PAPER,
                linewidth=0.3,
                gid=layer.label,
            )
            patch.sticky_edges.y.append(np.min(base))
            axes.add_artist(patch)  # not `stairs`, which looks for extremes of curves: 20 ms per layer
            heights = np.append(top, base)
            known = heights[~np.isnan(heights)]
            axes.update_datalim([(steps.edges_s[0], known.min()), (steps.edges_s[-1], known.max())])
            axes.autoscale_view()
        base = top
    return base


def keys(pids: Ints, starts: Ints) -> list[Key]:
    """The distinct processes of the rows, ordered by pid and start."""
    return sorted(set(zip(pids.tolist(), starts.tolist(), strict=True)))
