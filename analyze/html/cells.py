"""Values as table cells: what a person reads, and the exact value if it differs.

The column name has the unit: `p99_us`, `rss_bytes`, `cpu_pct`. A title leaves it out, as each cell has one: the same
throughout a column, that of its largest value, so that cells can be compared at a glance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from sysmon.analyze.text.formats import json_text
from sysmon.analyze.trace.times import iso
from sysmon.analyze.trace.values import Instant, Value

UNKNOWN = "–"

NUMBER, TIME, WIDE = "n", "t", "w"
"""Styles: right-aligned, sorted as a number; sorted as a number; long text, which wraps."""

WIDE_CHARACTERS = 40
"""Longer text wraps."""

TEXT_CHARACTERS = 600
"""Text is cut here: a command line may have a megabyte."""

NS_PER = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}

TIMES = (("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1))

SIZES = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("bytes", 1))

PER = {"bytes": "", "bytes_per_s": "/s", "bytes_per_min": "/min"}
"""Suffixes of sizes and of their rates, and what follows their unit."""

LEAST = 0.0001
"""Smaller values in the unit of their column are shown as below this."""

UNIT = re.compile(r"_(?P<unit>ns|us|ms|s|bytes|pct|bytes_per_s|bytes_per_min|per_s)$")

FINE_PERCENTILE = re.compile(r"\bp(\d\d)(\d)\b")

ORDINAL = re.compile(
    r"(^|_)(pid|ppid|tid|uid|gid|euid|id|port|errno|nr|fd|signal|code|cpu|mode|inode|device|depth|backlog)$"
)
"""Numbers that are names, in which commas would be wrong."""


class Unit(NamedTuple):
    """The unit of a column: its name, and how many of the column's own units it is."""

    name: str
    factor: float


class Cell(NamedTuple):
    """A cell: its text, its style, and its exact value if the text is rounded."""

    text: str
    style: str = ""
    exact: str | None = None


def title(name: str) -> str:
    """A column name as a title: without its unit, with spaces for underscores, and `p99.9` for p999."""
    return FINE_PERCENTILE.sub(r"p\1.\2", UNIT.sub("", name).replace("_", " "))


def cell(name: str, value: Value, style: str, started_ns: int, unit: Unit | None = None) -> Cell:
    """The cell of a value in the column of this name. `style` is NUMBER if the whole column holds numbers.

    Times and sizes are in `unit`, or in the one that fits the value.
    """
    match value:
        case None:
            return Cell(UNKNOWN, style)
        case bool():
            return Cell("yes" if value else "no", style)
        case Instant():
            return Cell(instant(value, started_ns), TIME, str(value - started_ns))
        case int() | float():
            return _number(name, value, style, unit)
        case list() | dict():
            return _text(json_text(value))
    return _text(str(value))


def style_of(column: Iterable[Cell]) -> str:
    """The style of a column that holds no numbers: that of a cell that has one."""
    return next((c.style for c in column if c.style), "")


def _text(text: str) -> Cell:
    if len(text) > TEXT_CHARACTERS:
        text = f"{text[:TEXT_CHARACTERS]}… ({len(text):,} characters)"
    return Cell(text, WIDE if len(text) > WIDE_CHARACTERS else "")


def _number(name: str, value: int | float, style: str, unit: Unit | None) -> Cell:
    text = number(name, value, unit)
    exact = repr(value)
    return Cell(text, style, None if text == exact else exact)


def unit_of(name: str, values: Iterable[Value]) -> Unit | None:
    """The unit in which the largest of these values is short, if the column holds times or sizes."""
    match = UNIT.search(name)
    own = match["unit"] if match else ""
    if own not in NS_PER and own not in PER:
        return None
    units, scale = (TIMES, NS_PER[own]) if own in NS_PER else (SIZES, 1)
    most = scale * max((abs(v) for v in values if isinstance(v, int | float)), default=0)
    found, size = next((u for u in units if most >= u[1]), units[-1])
    return Unit(found + PER.get(own, ""), scale / size)


def number(name: str, value: int | float, unit: Unit | None = None) -> str:
    """A value of this column, with its unit and a readable number of digits."""
    if name == "start":
        return f"{value / 1e9:.2f} s"
    unit = unit or unit_of(name, [value])
    if unit:
        return f"{_three(value * unit.factor)} {unit.name}"
    match = UNIT.search(name)
    match match["unit"] if match else "":
        case "pct":
            return f"{value:.3g} %" if abs(value) < 1 else f"{value:.1f} %"
        case "per_s":
            return f"{digits(value)} /s"
    if isinstance(value, int):
        return str(value) if ORDINAL.search(name) else f"{value:,}"
    return digits(value)


def digits(value: float) -> str:
    """Three significant digits, more for larger numbers."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _three(value: float) -> str:
    """Three significant digits, or all before the point; no exponent."""
    if 0 < abs(value) < LEAST:
        return f"<{LEAST}" if value > 0 else f">-{LEAST}"
    if value == 0:
        return "0"
    if abs(value) < 0.1:
        return f"{value:.3g}"
    return f"{value:,.{max(0, 3 - len(str(int(abs(value)))))}f}"


def instant(value: Instant, started_ns: int) -> str:
    """A moment in UTC, with its date only if that differs from the start of the recording."""
    day, _, time = iso(value, 6).rstrip("Z").partition("T")
    return time if day == iso(started_ns, 6).split("T")[0] else f"{day} {time}".rstrip()
