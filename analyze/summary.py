"""The summary: one screen that says what was recorded, what is missing, and where to look first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from analyze import formats
from analyze.describe import heading
from analyze.result import Result
from analyze.safe_text import shown
from analyze.screen import ALARM, BOLD, QUIET, Screen

if TYPE_CHECKING:
    from analyze.trace import Trace

ROWS = 5
"""Rows of each section: four sections and the heading fit 40 lines."""

WIDTH = 100
"""Where lines are cut if the screen has no width of its own [characters]."""


@dataclass(frozen=True)
class Section:
    """A part of the summary: its name in JSON, its title, and the query for all of its rows; a few are shown."""

    name: str
    title: str
    query: str


SECTIONS = (
    Section(
        "syscalls_by_time",
        "System calls by total time",
        "SELECT syscall, calls, errors, total_s, mean_us, p50_us, p99_us, max_us FROM report.syscalls",
    ),
    Section(
        "processes_by_cpu",
        "Processes by CPU time",
        "SELECT pid, comm, cpu_ns / 1e9 AS cpu_s, syscalls, lifetime_ns / 1e9 AS lifetime_s, "
        "CASE WHEN is_recorder THEN 'this recording: ' ELSE '' END || command AS command "
        "FROM processes WHERE cpu_ns > 0 ORDER BY cpu_ns DESC, pid, start",
    ),
    Section(
        "shortest_lived",
        "Shortest-lived processes",
        "SELECT pid, comm, lifetime_s * 1000 AS lifetime_ms, exit_code, signal, command FROM report.processes "
        "WHERE lifetime_s IS NOT NULL "
        "ORDER BY lifetime_s, pid, start",
    ),
    Section(
        "failed",
        "Failed processes",
        "SELECT pid, comm, ended, exit_code, signal, core_dumped, command FROM report.processes "
        "WHERE exit_code <> 0 OR signal IS NOT NULL ORDER BY ended, pid, start",
    ),
)

LOSSES = "SELECT cause, place, lost FROM report.losses"

COST = (
    "SELECT part = 'recorder' AS recorder, SUM(cpu_pct), MAX(max_rss_bytes) FROM report.overhead "
    "GROUP BY recorder ORDER BY recorder DESC"
)


def losses_line(trace: Trace) -> str:
    """What was lost, in one line; empty if nothing was."""
    rows = trace.own(LOSSES).fetchall()
    if not rows:
        return ""
    total = sum(lost for _, _, lost in rows if lost is not None)
    parts = [f"{cause} {where} {'?' if lost is None else lost}" for cause, where, lost in rows[:4]]
    more = f", and {len(rows) - 4} more" if len(rows) > 4 else ""
    return shown(f"LOST {total}: {', '.join(parts)}{more}")


def write_screen(trace: Trace, screen: Screen) -> None:
    """Writes the summary for people."""
    width = screen.width or WIDTH
    for line in formats.lines_of(heading(trace)):
        screen.line(line)
    lost = losses_line(trace)
    screen.line(lost or "Nothing was lost.", ALARM if lost else "")
    for section in SECTIONS:
        lines, left_out = formats.table_lines(Result.of(trace.own(section.query)), ROWS, width, screen.cut)
        total = len(lines) - 1 + left_out
        screen.line()
        if total == 0:
            screen.line(f"{section.title}: none", BOLD)
            continue
        screen.line(section.title + (f" ({ROWS} of {total})" if left_out else ""), BOLD)
        for i, line in enumerate(lines):
            screen.line(line, QUIET if i == 0 else "")
    spent = cost(trace)
    if spent:
        screen.line()
        screen.line(f"Recording cost {spent}.")


def cost(trace: Trace) -> str:
    """What recording cost, in words; empty if that was not recorded."""
    parts = []
    for recorder, cpu_pct, rss_bytes in trace.own(COST).fetchall():
        cpu = "an unknown share" if cpu_pct is None else f"{cpu_pct:.2f} %"
        rss = f" and {rss_bytes / 2**20:.0f} MiB" if rss_bytes is not None else ""
        parts.append(f"the recorder {cpu} of a CPU{rss}" if recorder else f"its BPF programs {cpu}")
    return ", ".join(parts)


def write_markdown(trace: Trace, screen: Screen) -> None:
    """Writes the summary for a ticket."""
    from analyze.safe_text import markdown_cell

    for name, text in heading(trace):
        screen.line(f"- **{name}** {markdown_cell(text)}")
    screen.line(f"- **losses** {markdown_cell(losses_line(trace) or 'none')}")
    for section in SECTIONS:
        screen.line(f"\n### {section.title}\n")
        formats.write_markdown(formats.limited(Result.of(trace.own(section.query)), ROWS), screen.stream)


def write_json(trace: Trace, stream: TextIO) -> None:
    """Writes the summary as an object: `recording` is the trace's metadata, the rest an array for each section."""
    stream.write(f'{{"recording": {formats.json_text(trace.metadata)}')
    for name, query in (("losses", LOSSES), *((s.name, s.query) for s in SECTIONS)):
        stream.write(f',\n"{name}": ')
        formats.write_json(formats.limited(Result.of(trace.own(query)), ROWS), stream, end="")
    stream.write("\n}\n")
