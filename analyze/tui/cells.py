"""Values as the cells of a table on a screen: narrower than in a report, and never more than one line."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from sysmon.analyze.text.formats import DECIMALS, human
from sysmon.analyze.trace.times import iso
from sysmon.analyze.trace.values import Instant, Value

DAY_AT, TIME_DIGITS = 11, 6
"""Where the time of day begins in an ISO time, and its digits after the second."""

UNITS = (("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10))

COUNTS_FROM = 10_000
"""Counts from here on have separators."""


def cell(name: str, value: Value) -> str:
    """The value of a column of this name."""
    if isinstance(value, Instant):
        return iso(value, TIME_DIGITS)[DAY_AT:-1]
    if isinstance(value, bool) or value is None:
        return human(name, value)
    if isinstance(value, int | float) and name.endswith("_bytes"):
        return size(value)
    if type(value) is int and abs(value) >= COUNTS_FROM and not name.endswith(IDENTIFIERS):
        return f"{value:,}"
    if isinstance(value, float) and name.endswith(SHORTER):
        return f"{value:.1f}"
    if isinstance(value, float) and name.endswith("_us") and abs(value) >= 1000:
        return f"{value:,.0f}"
    if isinstance(value, float) and not name.endswith(tuple(DECIMALS)):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return human(name, value)


SHORTER = ("_pct", "_mib")
"""Ends of the names of numbers with one decimal."""


IDENTIFIERS = ("pid", "tid", "uid", "start", "inode", "device", "port", "_id", "address")
"""Ends of the names of numbers that are no counts."""


def size(value: float) -> str:
    """Bytes in the largest binary unit that leaves digits before the point: 1.5M."""
    for unit, least in UNITS:
        if abs(value) >= least:
            shown = value / least
            return f"{shown:.{1 if abs(shown) < 100 else 0}f}{unit}"
    return str(int(value))


def fit(text: str, width: int, cut: str, *, right: bool = False) -> str:
    """The text in exactly this many terminal cells; what is too long ends in `cut`."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - len(cut)) + cut if width > len(cut) else set_cell_size(text, width)
    padding = " " * (width - length)
    return padding + text if right else text + padding
