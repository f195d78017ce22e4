"""Values as cells of a table: what a person reads, and the exact value where that is another.

What a number counts is in its column's name: `p99_us`, `rss_bytes`, `cpu_pct`. A title leaves the unit out, as each
cell has its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from analyze.formats import json_text
from analyze.result import Instant, Value
from analyze.window import iso

UNKNOWN = "–"

NUMBER, TIME, WIDE = "n", "t", "w"
"""Styles: to the right, sorted as a number; sorted as a number; long text, which wraps."""

WIDE_CHARACTERS = 40
"""Text that is longer wraps."""

TEXT_CHARACTERS = 600
"""Text is cut here: a command line may have a megabyte."""

NS_PER = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}

UNIT = re.compile(r"_(?P<unit>ns|us|ms|s|bytes|pct|bytes_per_s|bytes_per_min|per_s)$")

FINE_PERCENTILE = re.compile(r"\bp(\d\d)(\d)\b")

ORDINAL = re.compile(
    r"(^|_)(pid|ppid|tid|uid|gid|euid|id|port|errno|nr|fd|signal|code|cpu|mode|inode|device|depth|backlog)$"
)
"""Numbers that name something, in which commas would be wrong."""


class Cell(NamedTuple):
    """A cell: its text, its style, and its exact value if the text is not it."""

    text: str
    style: str = ""
    exact: str | None = None


def title(name: str) -> str:
    """A column's name as a title: without its unit, spaces for underscores, and `p99.9` for the p999 of a name."""
    return FINE_PERCENTILE.sub(r"p\1.\2", UNIT.sub("", name).replace("_", " "))


def cell(name: str, value: Value, style: str, started_ns: int) -> Cell:
    """The cell of a value in the column of this name. `style` is NUMBER if the whole column holds numbers."""
    match value:
        case None:
            return Cell(UNKNOWN, style)
        case bool():
            return Cell("yes" if value else "no", style)
        case Instant():
            return Cell(instant(value, started_ns), TIME, str(value - started_ns))
        case int() | float():
            return _number(name, value, style)
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


def _number(name: str, value: int | float, style: str) -> Cell:
    text = number(name, value)
    exact = repr(value)
    return Cell(text, style, None if text == exact else exact)


def number(name: str, value: int | float) -> str:
    """A number of the column of this name, with its unit and the digits that a person reads."""
    if name == "start":
        return f"{value / 1e9:.2f} s"
    match = UNIT.search(name)
    unit = match["unit"] if match else ""
    if unit in NS_PER:
        return duration(value * NS_PER[unit])
    match unit:
        case "bytes":
            return size(value)
        case "bytes_per_s":
            return f"{size(value)}/s"
        case "bytes_per_min":
            return f"{size(value)}/min"
        case "pct":
            return f"{value:.3g} %" if abs(value) < 1 else f"{value:.1f} %"
        case "per_s":
            return f"{digits(value)} /s"
    if isinstance(value, int):
        return str(value) if ORDINAL.search(name) else f"{value:,}"
    return digits(value)


def digits(value: float) -> str:
    """Three significant digits, more of a larger number."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def duration(ns: float) -> str:
    """A time span in the unit that fits."""
    size_ns = abs(ns)
    if size_ns == 0:
        return "0 s"
    for unit, below in (("ns", 10**3), ("us", 10**6), ("ms", 10**9), ("s", 120 * 10**9)):
        if size_ns < below:
            number = f"{ns:.3g}" if unit == "ns" else _three(ns / NS_PER[unit])
            return f"{number} {'µs' if unit == 'us' else unit}"
    minutes, seconds = divmod(round(size_ns / 1e9), 60)
    sign = "-" if ns < 0 else ""
    if minutes < 120:
        return f"{sign}{minutes} min {seconds:02} s"
    return f"{sign}{minutes // 60:,} h {minutes % 60:02} min"


def size(count: float) -> str:
    """Bytes in the unit that fits."""
    if abs(count) < 1000:
        return f"{count:.3g} B"
    value = count / 1024
    for unit in ("KiB", "MiB", "GiB"):
        if abs(value) < 1000:
            return f"{_three(value)} {unit}"
        value /= 1024
    return f"{_three(value)} TiB"


def _three(value: float) -> str:
    """Three digits, but no fewer than stand before the point."""
    before = len(str(int(abs(value))))
    return f"{value:,.{max(0, 3 - before)}f}"


def instant(value: Instant, started_ns: int) -> str:
    """A moment in UTC, with its day only if that is not the day of the recording's start."""
    day, _, time = iso(value, 6).rstrip("Z").partition("T")
    return time if day == iso(started_ns, 6).split("T")[0] else f"{day} {time}".rstrip()
