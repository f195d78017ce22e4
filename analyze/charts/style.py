"""The looks of charts: colours, fonts, sizes; and trace texts made fit to stand in one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from sysmon.safe_text import escape, shown

INK = "#1d2026"
PAPER = "#fffffe"
"""Colours of text and lines, and of the background. Nothing else has these two values: an HTML page substitutes its
own.
"""

PALETTE = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#f0e442",
    "#802828", "#b0d088", "#7c30dc",
)  # fmt: skip
"""Okabe and Ito's colours, which people with any colour vision can tell apart ("Color Universal Design", 2008), without
their black; the last three, for when these run out, are as different from them as possible.
"""

OTHERS = "#666666"
REST = f"{INK}30"
STOLEN = f"{INK}f0"
"""Greys for what is not one process: all others of a stack, time not used by recorded processes, stolen time."""

FONT = "DejaVu Sans"
"""Comes with matplotlib, so charts look the same on every machine."""

SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": [FONT],
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 4,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "xtick.color": INK,
    "ytick.color": INK,
    "hatch.color": INK,
    "hatch.linewidth": 0.5,
    "figure.facecolor": PAPER,
    "savefig.facecolor": "auto",
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "text.parse_math": False,  # a program may be called $x$
    "axes.formatter.use_mathtext": False,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "sysmon",  # the same chart is the same file
    "pdf.fonttype": 42,
}


@contextmanager
def applied() -> Iterator[None]:
    """Context in which everything made, measured or written has this style, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        yield


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(FT2Font(font_manager.findfont(FONT)).get_charmap())


def text_of(text: str | None, limit: int = 28) -> str:
    """A trace's text for a chart: at most `limit` letters, all of which the font has."""
    if text is None:
        return "?"
    glyphs = _glyphs()
    known = "".join(c if ord(c) in glyphs else escape(c) for c in shown(text[: 4 * limit]))
    return known if len(known) <= limit else known[: limit - 1] + "…"
