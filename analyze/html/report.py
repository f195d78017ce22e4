"""The HTML report: findings, charts, and the first rows of every report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from markupsafe import Markup

from sysmon.analyze.charts import CHARTS, draw, svg
from sysmon.analyze.charts.ask import Chart
from sysmon.analyze.html import page
from sysmon.analyze.html.page import Table
from sysmon.analyze.html.svg import inline
from sysmon.analyze.text import describe
from sysmon.analyze.text.summary import cost, losses_line
from sysmon.analyze.trace.findings import Finding, findings
from sysmon.analyze.trace.missing_kinds import absent
from sysmon.analyze.trace.reports import Report, reports
from sysmon.analyze.trace.result import Result
from sysmon.errors import BrokenTrace, NoData
from sysmon.safe_text import one_line, shell_command, shell_word

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

SHOWN_OTHERWISE = ("findings",)
"""Reports that the page does not show as a table."""

DRAWN = {"latency_timeline": "heatmap", "syscall_histogram": "latency", "syscall_histogram_by_process": "latency"}
"""Reports whose first rows say little about a large trace and take long to find, and the charts that show them."""

LARGE_ROWS = 1_000_000
"""Rows that make a trace large."""


@dataclass(frozen=True)
class Section:
    """A report on the page. `missing` says why it may lack rows; empty if it does not."""

    report: Report
    table: Table
    missing: str
    command: str


@dataclass(frozen=True)
class Drawing:
    """A chart on the page."""

    chart: Chart
    svg: Markup
    command: str


def write_html(trace: Trace, stream: IO[bytes], *, limit: int = page.TABLE_ROWS) -> None:
    """Writes the page about the open trace, or part of one, with at most this many rows per report."""
    wanted = [r for r in reports() if r.name not in SHOWN_OTHERWISE]
    large = not trace.is_part and sum(trace.metadata["rows"].values()) > LARGE_ROWS
    sections = [_section(trace, r, limit) for r in wanted if not (large and r.name in DRAWN)]
    empty = [(s.report.name, s.report.title, s.missing) for s in sections if not s.table.rows]
    empty += [(r.name, r.title, _why_drawn(trace, r)) for r in wanted if large and r.name in DRAWN]
    drawings, not_drawn = _drawings(trace)
    page.write(
        "report.html",
        stream,
        name=trace.source.path.name,
        facts_of=[(name, text) for name, text in describe.heading(trace) if name != "window"],
        part=describe.asked(trace),
        day=datetime.fromtimestamp(trace.metadata["started_ns"] // 10**9, UTC).strftime("%Y-%m-%d"),
        lost=losses_line(trace),
        cost=cost(trace),
        findings=_findings(trace),
        drawings=drawings,
        not_drawn=not_drawn,
        sections=[s for s in sections if s.table.rows],
        empty=empty,
    )


def _why_drawn(trace: Trace, report: Report) -> str:
    return f"not read, as the trace is large: see the chart {DRAWN[report.name]}, or {_command(trace, report.name)}"


def _findings(trace: Trace) -> list[Finding]:
    """The findings, worst first, with commands for this file."""
    name = shell_word(trace.source.path.name)
    return [replace(found, command=found.command.replace("TRACE", name, 1)) for found in findings(trace)]


def _drawings(trace: Trace) -> tuple[list[Drawing], list[tuple[str, str, str]]]:
    """The charts; and name, title and reason of those that could not be drawn: one failure leaves the others."""
    drawn, missing = [], []
    for chart in CHARTS.values():
        try:
            drawing = inline(svg(draw(trace, chart.name)))
        except (NoData, BrokenTrace) as reason:
            missing.append((chart.name, chart.title, _without_name(trace, str(reason))))
            continue
        words = [trace.source.path.name, chart.name, *trace.options, "-o", f"{chart.name}.png"]
        drawn.append(Drawing(chart, drawing, shell_command(["sysmon", "chart", *words])))
    return drawn, missing


def _without_name(trace: Trace, reason: str) -> str:
    """The reason without the trace's name, which the page has already."""
    path = trace.source.path
    return reason.removeprefix(f"{one_line(path.name)}: ").removeprefix(f"{one_line(str(path))}: ")


def _section(trace: Trace, report: Report, limit: int) -> Section:
    command = _command(trace, report.name)
    found = Result.of(*trace.first_rows(report.name, limit))
    started_ns = trace.metadata["started_ns"]
    table = Table.of(found, report.columns, started_ns=started_ns, limit=limit, command=command)
    return Section(report, table, absent(report, trace.metadata["kinds"]), command)


def _command(trace: Trace, *words: str) -> str:
    """The command that shows reports of the same part of the trace."""
    return shell_command(["sysmon", "report", trace.source.path.name, *words, *trace.options])
