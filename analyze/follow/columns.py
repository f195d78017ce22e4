"""The columns of the table of intervals: their heads, where their figures come from, and how a line is made.

Columns that do not fit are left out, from the right. A name is cut; a number never is. What is unknown is `-`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysmon.analyze.trace.times import iso
from sysmon.analyze.trace.values import Value
from sysmon.safe_text import shown

if TYPE_CHECKING:
    from sysmon.analyze.text.screen import Screen

TIME, INDENT, NAME = 12, 4, 15
"""Widths of a time, of what is in front of a process, and of its name."""

MB, GB = 1e6, 1e9


@dataclass(frozen=True)
class Figure:
    """A column: its head, the column of the SQL view, decimals, width, divisor, whether it is per second."""

    head: str
    name: str
    decimals: int
    width: int
    unit: float = 1
    per_s: bool = False

    def text(self, record: Mapping[str, Value], seconds: Value) -> str:
        """The figure, `-` if it is unknown."""
        value = record[self.name]
        if not isinstance(value, int | float) or (self.per_s and not isinstance(seconds, int | float)):
            return "-"
        amount = value / self.unit
        if self.per_s:
            if not seconds:
                return "-"
            amount /= float(seconds)  # type: ignore[arg-type]
        return f"{amount:.{self.decimals}f}"


def _per_s(head: str, name: str, decimals: int, width: int, unit: float = 1) -> Figure:
    return Figure(head, name, decimals, width, unit, per_s=True)


MACHINE = (
    Figure("busy%", "busy_pct", 1, 6),
    Figure("user%", "user_pct", 1, 6),
    Figure("sys%", "system_pct", 1, 6),
    Figure("wait", "waiting", 2, 6),
    Figure("lost", "lost", 0, 6),
    _per_s("calls/s", "calls", 0, 9),
    _per_s("errors/s", "errors", 0, 8),
    _per_s("forks/s", "forks", 0, 7),
    _per_s("rdMB/s", "read_bytes", 2, 8, MB),
    _per_s("wrMB/s", "written_bytes", 2, 8, MB),
    Figure("availGB", "available_bytes", 2, 7, GB),
    Figure("cpu!%", "cpu_pressure_pct", 1, 6),
    Figure("mem!%", "memory_pressure_pct", 1, 6),
    Figure("io!%", "io_pressure_pct", 1, 6),
)

PROCESS = (
    Figure("cpu%", "cpu_pct", 1, 6),
    _per_s("calls/s", "calls", 0, 9),
    _per_s("errors/s", "errors", 0, 8),
    Figure("rssMB", "rss_bytes", 1, 8, MB),
    _per_s("rdMB/s", "read_bytes", 2, 8, MB),
    _per_s("wrMB/s", "written_bytes", 2, 8, MB),
)


def day_and_time(ns: int) -> tuple[str, str]:
    """The UTC date, and the time to the millisecond, of an instant [ns since 1970]."""
    day, _, time = iso(ns, 3).partition("T")
    return day, time.rstrip("Z")


def heads(day: str, width: int | None) -> list[str]:
    """Both lines of the head; the first begins with the date."""
    of_process = f"{'':{INDENT}}{'pid':>7} {'process':{NAME}}"
    return [
        _joined(f"{day:{TIME}}", MACHINE, [figure.head for figure in MACHINE], width),
        _joined(of_process, PROCESS, [figure.head for figure in PROCESS], width),
    ]


def machine_line(time: str, record: Mapping[str, Value], width: int | None) -> str:
    """The line of an interval."""
    return _joined(f"{time:{TIME}}", MACHINE, _texts(MACHINE, record, record["interval_s"]), width)


def process_line(record: Mapping[str, Value], seconds: Value, screen: Screen) -> str:
    """The line of a process in an interval of so many seconds."""
    comm = record["comm"]
    name = cell("-" if comm is None else str(comm), NAME, screen.cut)
    begin = f"{'':{INDENT}}{record['pid'] if record['pid'] is not None else '-':>7} {name}"
    return _joined(begin, PROCESS, _texts(PROCESS, record, seconds), screen.width)


def _texts(figures: Sequence[Figure], record: Mapping[str, Value], seconds: Value) -> list[str]:
    return [figure.text(record, seconds) for figure in figures]


def _joined(begin: str, figures: Sequence[Figure], texts: Sequence[str], width: int | None) -> str:
    line, end = begin, len(begin)
    for figure, text in zip(figures, texts, strict=True):
        end += 1 + figure.width
        if width is not None and max(end, len(line) + 1 + len(text)) > width:
            break
        line += f" {text:>{max(1, end - len(line) - 1)}}"
    return line if width is None else line[:width]


def cell(text: str, width: int, cut: str) -> str:
    """The text in so many cells of a terminal, safe to show; `cut` ends one that was too long."""
    from rich.cells import cell_len, set_cell_size

    safe = shown(text)
    size = len(safe) if safe.isascii() else cell_len(safe)
    return set_cell_size(safe, width - 1) + cut if size > width else safe + " " * (width - size)
