"""Findings on a terminal: one below another and complete, where a table would cut them."""

from __future__ import annotations

import textwrap
from itertools import islice
from typing import TYPE_CHECKING

from sysmon.analyze.text.screen import ALARM, BOLD, QUIET
from sysmon.safe_text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysmon.analyze.text.screen import Screen
    from sysmon.analyze.trace.result import Result
    from sysmon.analyze.trace.values import Value

LEAST_ROOM = 20
"""Least characters per line, however narrow the screen."""

MORE = (("evidence", "evidence", ""), ("threshold", "threshold", QUIET), ("weakened_by", "losses", ALARM))
"""Columns of the report `findings` shown below the summary, with their labels and styles."""

MOST_LINES = 6
"""Most lines per column: evidence may hold a command line of 4,000 characters."""

INDENT = 11


def write(result: Result, screen: Screen, width: int, limit: int | None) -> None:
    """Writes rows of the report `findings`, at most this many, in lines of this width."""
    records = result.records()
    written = 0
    for row in islice(records, limit):
        if written:
            screen.line()
        _write_one(row, screen, width)
        written += 1
    left_out = result.count_rest()
    if not written and not left_out:
        screen.line("(no rows)", QUIET)
    if left_out:
        screen.line(f"({left_out} more; see --limit)", QUIET)


def _write_one(row: dict[str, Value], screen: Screen, width: int) -> None:
    style = ALARM if row["severity"] == "high" else BOLD
    for line in _lines(str(row["severity"]), f"{row['summary']} [{row['rule']}]", width):
        screen.line(line, style)
    for column, name, its_style in MORE:
        if row[column] is not None:
            for line in _lines(f"  {name}", str(row[column]), width):
                screen.line(line, its_style)
    screen.line(f"{'  more':<{INDENT}} {shown(str(row['command']))}")  # in one line, for copying


def _lines(name: str, text: str, width: int) -> Iterator[str]:
    """The text in lines to the right of its name."""
    room = max(LEAST_ROOM, width - INDENT - 1)
    lines = textwrap.wrap(
        shown(text), room, break_on_hyphens=False, max_lines=MOST_LINES, placeholder=" ... (--format json has all)"
    )
    for i, line in enumerate(lines or [""]):
        yield f"{name if i == 0 else '':<{INDENT}} {line}"
