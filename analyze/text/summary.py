"""The summary: one screen that says what was recorded, what is missing, and where to look first."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TextIO

from rich.cells import cell_len, set_cell_size

from sysmon.analyze.text import formats, thread_states
from sysmon.analyze.text.describe import heading
from sysmon.analyze.text.screen import ALARM, BOLD, QUIET, Screen
from sysmon.analyze.trace.findings import MOST, Finding, findings
from sysmon.analyze.trace.result import Result
from sysmon.bpf.kinds.throttle import CAUSE
from sysmon.bpf.trace_file.metadata import DAMAGED
from sysmon.safe_text import shown

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

ROWS = 5
"""Rows per section, at most."""

FEWEST_ROWS = 2
"""Rows per section if others need the space."""

LINES = 40
"""Most lines of the summary, one screen, unless the heading is longer than usual."""

FINDINGS = 5
"""Findings shown: the worst, and one of each rule before a second of any."""

LEAST_ROOM = 20
"""Least cells for a finding next to its command."""

WIDTH = 100
"""Where lines are cut if the screen has no width of its own [characters]."""


@dataclass(frozen=True)
class Section:
    """A section of the summary: its JSON name, its title, and the query for its rows, of which a few are shown."""

    name: str
    title: str
    query: str


CALLS = (
    "SELECT syscall, calls, errors, total_s, mean_us, p50_us, p99_us, max_us, CASE "
    "WHEN slept_s IS NULL THEN CASE WHEN unfiltered.is_wait(syscall) THEN 'by its name' END "
    "WHEN total_s > 0 THEN FORMAT('{:.0f} %', LEAST(100, 100 * (slept_s + disk_s) / total_s)) ELSE '0 %' END AS waits "
    "FROM report.syscalls"
)
"""`waits`: how much of their time the threads slept, for a disk or until something else happened. Traces of version 1
do not say; there some calls count as waiting by their name.
"""

WAIT = "unfiltered.waits(syscall, total_s, slept_s)"

SECTIONS = (
    Section(
        "syscalls_by_time",
        "System calls by total time; those that mostly wait come last",
        f"{CALLS} ORDER BY {WAIT}, total_s DESC NULLS LAST, calls DESC NULLS LAST, syscall, abi NULLS LAST",
    ),
    Section(
        "processes_by_cpu",
        "Processes by CPU time",
        "SELECT pid, comm, cpu_ns / 1e9 AS cpu_s, syscalls, lifetime_ns / 1e9 AS lifetime_s, "
        "CASE WHEN is_recorder THEN 'this recording: ' ELSE '' END || command AS command "
        "FROM finding.everyone WHERE cpu_ns > 0 ORDER BY cpu_ns DESC, pid, start",
    ),
    Section(
        "shortest_lived",
        "Shortest-lived processes",
        "SELECT pid, comm, lifetime_ns / 1e6 AS lifetime_ms, exit_code, signal, command FROM finding.everyone "
        "WHERE lifetime_ns IS NOT NULL ORDER BY lifetime_ns, pid, start",
    ),
    Section(
        "failed",
        "Failed processes",
        "SELECT pid, comm, ended, exit_code, signal, core_dumped, command FROM finding.everyone "
        "WHERE exit_code <> 0 OR signal IS NOT NULL ORDER BY ended, pid, start",
    ),
)

WAITS = f"{CALLS} WHERE {WAIT} ORDER BY total_s DESC NULLS LAST, calls DESC NULLS LAST, syscall, abi NULLS LAST"
"""Calls that the section puts last, and so seldom shows."""

LOSSES = "SELECT cause, place, lost FROM report.losses"

COST = (
    "SELECT part = 'recorder' AS recorder, SUM(cpu_pct), MAX(max_rss_bytes) FROM report.overhead "
    "GROUP BY recorder ORDER BY recorder DESC"
)


def losses_line(trace: Trace) -> str:
    """What was lost, in one line; empty if nothing was.

    The time of rows that were damaged after writing is unknown: they may belong to any window.
    """
    rows = trace.own(LOSSES).fetchall()
    damaged = [loss for loss in trace.metadata["losses"] if loss["cause"] == DAMAGED]
    rows += [(loss["cause"], loss["place"], loss["lost"]) for loss in damaged]
    if not rows:
        return ""
    counted = [row for row in rows if row[0] == CAUSE]
    rows = [row for row in rows if row[0] != CAUSE]
    texts = []
    if rows:
        total = sum(lost for _, _, lost in rows if lost is not None)
        parts = [f"{cause} {where} {'?' if lost is None else lost}" for cause, where, lost in rows[:4]]
        more = f", and {len(rows) - 4} more" if len(rows) > 4 else ""
        texts.append(f"LOST {total}: {', '.join(parts)}{more}")
    if counted:
        places = (f"{where} {'?' if lost is None else lost}" for _, where, lost in counted)
        texts.append(f"THROTTLED: calls are counted, but are not rows (--max-rate, or full ring): {', '.join(places)}")
    return shown("; ".join(texts))


def write_screen(trace: Trace, screen: Screen) -> None:
    """Writes the summary for a terminal."""
    width = screen.width or WIDTH
    told = formats.lines_of(_heading(trace))
    for line in told:
        screen.line(line)
    lost = losses_line(trace)
    screen.line(lost or "Nothing was lost.", ALARM if lost else "")
    shown_findings = _write_findings(findings(trace), screen, width)
    room = LINES - len(told) - 1 - shown_findings - 2  # two lines for the cost of recording
    rows = min(ROWS, max(FEWEST_ROWS, room // len(SECTIONS) - 3))
    for section in SECTIONS:
        lines, left_out = formats.table_lines(Result.of(trace.own(section.query)), rows, width, screen.cut)
        total = len(lines) - 1 + left_out
        screen.line()
        if total == 0:
            screen.line(f"{section.title}: none", BOLD)
            continue
        screen.line(section.title + (f" ({rows} of {total})" if left_out else ""), BOLD)
        for i, line in enumerate(lines):
            screen.line(line, QUIET if i == 0 else "")
    spent = cost(trace)
    if spent:
        screen.line()
        screen.line(f"Recording cost {spent}.")


def _heading(trace: Trace) -> list[tuple[str, str]]:
    """What was recorded, and where the time of its threads went."""
    threads = thread_states.line(trace)
    return [*heading(trace), *([("threads", threads)] if threads else [])]


def worst(found: list[Finding], count: int = FINDINGS) -> list[Finding]:
    """This many findings, in their order: the first of each rule, and then the others."""
    firsts = list({f.rule: f for f in reversed(found)}.values())
    chosen = sorted(found, key=lambda f: (f not in firsts, found.index(f)))[:count]
    return sorted(chosen, key=found.index)


def _write_findings(found: list[Finding], screen: Screen, width: int) -> int:
    """Writes a line for each of the worst, ending with the command to type next. Returns the number of lines."""
    screen.line()
    if not found:
        screen.line("Findings: none", BOLD)
        return 2
    few = worst(found)
    more = " and more" if len(found) == MOST else ""
    count = f"{len(few)} of {len(found)}{more}" if len(few) < len(found) else f"{len(few)}"
    screen.line(
        f"Findings ({count}); for details, `sysmon report TRACE` and the name on the right, or `findings`", BOLD
    )
    written = 0
    for f in few:
        for line in finding_lines(f, width):
            screen.line(line, ALARM if f.severity == "high" else "")
            written += 1
    return 2 + written


def finding_lines(f: Finding, width: int) -> list[str]:
    """Severity and summary, with the arguments of `sysmon report TRACE` that show more at the right of the first line.

    Nothing is cut: what does not fit next to these continues on lines below; if there is no room at all, these move
    below.
    """
    more = shown(f.command.removeprefix("sysmon report TRACE "))
    text = shown(f.summary + (" (losses could change it)" if f.weakened_by else ""))
    head = f"{f.severity:<6}{formats.GAP}"
    room = width - len(head) - len(formats.GAP) - len(more)
    beside = room >= LEAST_ROOM
    first, *others = wrapped(text, room if beside else max(LEAST_ROOM, width - len(head)))
    if not beside:
        return [head + first, *(" " * len(head) + line for line in (*others, more))]
    return [f"{head}{set_cell_size(first, room)}{formats.GAP}{more}", *(" " * len(head) + line for line in others)]


def wrapped(text: str, room: int) -> list[str]:
    """The text in lines of this many terminal cells, fewer if a letter takes two."""
    room = room if cell_len(text) == len(text) else room // 2
    return textwrap.wrap(text, max(1, room), break_on_hyphens=False) or [""]


def cost(trace: Trace) -> str:
    """The cost of recording, in words; empty if it was not recorded."""
    parts = []
    for recorder, cpu_pct, rss_bytes in trace.own(COST).fetchall():
        cpu = "an unknown share" if cpu_pct is None else f"{cpu_pct:.2f} %"
        rss = f" and {rss_bytes / 2**20:.0f} MiB" if rss_bytes is not None else ""
        parts.append(f"the recorder {cpu} of a CPU{rss}" if recorder else f"its BPF programs {cpu}")
    return ", ".join(parts)


def write_markdown(trace: Trace, screen: Screen) -> None:
    """Writes the summary for a ticket."""
    from sysmon.safe_text import markdown_cell

    for name, text in _heading(trace):
        screen.line(f"- **{name}** {markdown_cell(text)}")
    screen.line(f"- **losses** {markdown_cell(losses_line(trace) or 'none')}")
    screen.line("\n### Findings\n")
    found = findings(trace)
    for f in worst(found):
        weak = f" Losses could change it: {f.weakened_by}." if f.weakened_by else ""
        screen.line(
            f"- **{f.severity}** {markdown_cell(f.summary)}. {markdown_cell(f.evidence)}.{markdown_cell(weak)} "
            f"More: {markdown_cell(f.command)}"
        )
    if not found:
        screen.line("none")
    for section in SECTIONS:
        screen.line(f"\n### {section.title}\n")
        formats.write_markdown(formats.limited(Result.of(trace.own(section.query)), ROWS), screen.stream)


def write_json(trace: Trace, stream: TextIO) -> None:
    """Writes the summary as an object: `recording` is the trace's metadata, everything else an array per section."""
    stream.write(f'{{"recording": {formats.json_text(trace.metadata)}')
    few = [asdict(f) for f in worst(findings(trace))]
    stream.write(f',\n"findings": {formats.json_text(few)}')
    sections = {"losses": LOSSES, **{s.name: s.query for s in SECTIONS}, "waits_by_time": WAITS}
    for name, query in sections.items():
        stream.write(f',\n"{name}": ')
        formats.write_json(formats.limited(Result.of(trace.own(query)), ROWS), stream, end="")
    stream.write(',\n"thread_states": ')
    formats.write_json(Result.of(trace.own(thread_states.BY_STATE)), stream, end="")
    stream.write("\n}\n")
