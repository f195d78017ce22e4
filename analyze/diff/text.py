"""The comparison for people: before → after, with the ratio, in short sections; and for programs as JSON and CSV."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

from analyze import formats
from analyze.diff.sections import Section
from analyze.result import Result, Value
from analyze.screen import ALARM, BOLD, QUIET, Screen
from bpf.safe_text import markdown_cell, shown

if TYPE_CHECKING:
    from analyze.diff.comparison import Comparison

Row = dict[str, Any]
Cells = tuple[str, ...]

ARROW, SAME = "→", "≈"

NEAR = 1.05
"""A ratio below it is no change to speak of."""

WIDTH = 100
"""Where sentences are wrapped if the screen has no width of its own [characters]."""


class Change(str):
    """A figure before and after, in words, with the number that it is sorted by: the later one that is known."""

    key: float | None

    @classmethod
    def of(cls, text: str, before: float | None, after: float | None) -> Change:
        """The text of two figures."""
        change = cls(text)
        change.key = before if after is None else after
        return change


def write_screen(
    found: Comparison, heading: list[tuple[str, str]], chosen: tuple[Section, ...], limit: int, screen: Screen
) -> None:
    """Writes the comparison for a terminal."""
    for line in formats.lines_of([*heading, *headline(found)]):
        screen.line(line)
    for note in found.notes:
        for line in wrapped(shown(note), screen, "note   "):
            screen.line(line, ALARM if is_loss(note) else "")
    was_table = True
    for section in chosen:
        title, table, total = table_of(found, section, limit)
        lines, _ = formats.table_lines(table, limit, screen.width)
        left_out = total - len(lines) + 1
        if total or was_table:
            screen.line()
        was_table = total > 0
        screen.line(shown(title) + (f", {total - left_out} shown" if total and left_out else ""), BOLD if total else "")
        for i, line in enumerate(lines if total else ()):
            screen.line(line, QUIET if i == 0 else "")
    screen.line()
    for line in wrapped(method(found), screen):
        screen.line(line, QUIET)


def is_loss(note: str) -> bool:
    """Whether a note says that rows are missing, which is worse than any other."""
    return note.startswith(("BEFORE lost ", "AFTER lost "))


def wrapped(text: str, screen: Screen, name: str = "") -> list[str]:
    """The text in lines as wide as the screen, after a name."""
    room = max(20, (screen.width or WIDTH) - len(name))
    return [(name if i == 0 else " " * len(name)) + line for i, line in enumerate(textwrap.wrap(text, room))]


def headline(found: Comparison) -> list[tuple[str, str]]:
    """How long each took, and how busy the CPUs were with anything."""
    length = around(*found.length_s, duration)
    if None in found.busy_pct:
        return [("span", length)]
    return [("span", f"{length}; CPUs busy {around(*found.busy_pct, _percent)}")]


def write_markdown(
    found: Comparison, heading: list[tuple[str, str]], chosen: tuple[Section, ...], limit: int | None, screen: Screen
) -> None:
    """Writes the comparison for a ticket."""
    for name, text in (*heading, *headline(found), *(("note", note) for note in found.notes)):
        screen.line(f"- **{name}** {markdown_cell(text)}")
    for section in chosen:
        title, table, total = table_of(found, section, limit)
        screen.line(f"\n### {markdown_cell(title)}")
        if total:
            screen.line()
            formats.write_markdown(table, screen.stream)
    screen.line(f"\n{markdown_cell(method(found))}")


def write_json(found: Comparison, chosen: tuple[Section, ...], limit: int | None, stream: TextIO) -> None:
    """Writes an object: what was compared, the notes, and for each section an array, or null if it was not compared."""
    length_before, length_after = found.length_s
    facts = {
        "before": {"length_s": length_before, "recording": found.before},
        "after": {"length_s": length_after, "recording": found.after},
        "per": found.per,
        "notes": found.notes,
        "min_change_pct": found.options.min_change_pct,
        "false_discovery_rate": found.level,
        "changes": {s.name: None if found.missing(s.name) else found.changes(s.name) for s in chosen},
    }
    stream.write("{" + ",\n".join(f"{formats.json_text(k)}: {formats.json_text(v)}" for k, v in facts.items()))
    for section in chosen:
        stream.write(f",\n{formats.json_text(section.name)}: ")
        if found.missing(section.name):
            stream.write("null")
            continue
        rows = found.rows(section.name) if limit is None else found.rows(section.name).limit(limit)
        formats.write_json(Result.of(rows), stream, end="")
    stream.write("\n}\n")


def method(found: Comparison) -> str:
    """The line that says what counts as a change."""
    return (
        f"Changed: by {found.options.min_change_pct:g} % or more, and more than what varies inside of these recordings "
        f"(of all changes at most {100 * found.level:g} % by chance); {SAME} is less. Rates and times are for each "
        f"{'second' if found.per == 's' else 'run'}. How much runs vary, two recordings cannot tell: record more."
    )


def table_of(found: Comparison, section: Section, limit: int | None) -> tuple[str, Result, int]:
    """The section's title, which says so if nothing changed or nothing is known; the first rows of its table, in words;
    and how many rows there are in all.
    """
    reason = found.missing(section.name)
    if reason:
        return f"{section.title}: not compared, {reason}", Result((), (), iter(())), 0
    names, cells = TABLES[section.name]
    ((total,),) = found.rows(section.name).aggregate("count(*)").fetchall()
    changes = found.changes(section.name)
    told = f"{changes} changed" if section.name in CHANGED else f"{changes}"
    if changes == 0:
        in_both, commands = found.commands(section.name)
        are = "is" if in_both == 1 else "are"
        part = f"; {in_both:,} of {commands:,} commands {are} in both" if in_both < commands else ""
        told = f"no difference{part}"
    rows = found.rows(section.name) if limit is None else found.rows(section.name).limit(limit)
    table: list[tuple[Value, ...]] = [cells(row, found.per) for row in Result.of(rows).records()]
    return f"{section.title}: {told}", Result(names, (False,) * len(names), iter(table)), int(total)


def change(before: float | None, after: float | None, text: Callable[[float], str], *, changed: bool) -> Change:
    """Before and after, and by how much, if it changed; else one of them."""
    return Change.of(_change(before, after, text, changed), before, after)


def around(before: float | None, after: float | None, text: Callable[[float], str]) -> Change:
    """As `change`, of figures of which it is not known whether they changed: they did if they are not near."""
    return change(before, after, text, changed=not _near(before, after))


def _near(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return False
    return before == after or (min(before, after) > 0 and max(before, after) < NEAR * min(before, after))


def _change(before: float | None, after: float | None, text: Callable[[float], str], changed: bool) -> str:
    if before is None and after is None:
        return "-"
    if not changed:
        known = before if after is None else after
        assert known is not None
        return text(known) if before is None or after is None else f"{SAME} {text(known)}"
    parts = ["-" if v is None else text(v) for v in (before, after)]
    return f"{parts[0]} {ARROW} {parts[1]}{_ratio(before, after)}"


def _ratio(before: float | None, after: float | None) -> str:
    if not before or not after:
        return ""
    ratio = after / before
    if 0.995 < ratio < 1.005:
        return ""
    return f" ×{_digits(ratio)}" if ratio >= 1 else f" ÷{_digits(1 / ratio)}"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """A time in the unit that keeps it short."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{number(seconds / scale)} {unit}"
    return f"{number(seconds / 1e-9)} ns" if seconds else "0"


def _us(value: float) -> str:
    return duration(value / 1e6)


def _percent(value: float) -> str:
    return f"{number(value)} %"  # of any size: CPU time may be over 100 %


def _mib(value: float) -> str:
    return f"{number(value)} MiB"


def _name(value: str | None) -> str:
    return "-" if value is None else value


def _count(row: Row, what: str) -> Change:
    before, after = row[f"{what}_before"], row[f"{what}_after"]
    return Change.of(f"{before:,} {ARROW} {after:,}", before, after)


def _calls(row: Row, per: str) -> Cells:
    changed = row["changed"].split(", ")
    time = around if row["changed"] else partial(change, changed=False)
    each = "/s" if per == "s" else ""
    name = row["syscall"] + (f" ({row['abi']})" if row["abi"] else "")
    return (
        name,
        time(row["time_before_s"], row["time_after_s"], duration),
        change(row["rate_before"], row["rate_after"], lambda v: number(v) + each, changed="rate" in changed),
        change(row["p50_before_us"], row["p50_after_us"], _us, changed="p50" in changed),
        change(row["p99_before_us"], row["p99_after_us"], _us, changed="p99" in changed),
        change(row["errors_before_pct"], row["errors_after_pct"], _percent, changed="errors" in changed),
    )


def _calls_by_command(row: Row, per: str) -> Cells:
    return (_name(row["command"]), *_calls(row, per))


def _cpu(row: Row, per: str) -> Cells:
    def text(seconds: float) -> str:
        return _percent(100 * seconds) if per == "s" else duration(seconds)

    return (
        _name(row["command"]),
        change(row["cpu_before_s"], row["cpu_after_s"], text, changed=row["changed"]),
        around(row["wait_before_s"], row["wait_after_s"], text),
        _count(row, "processes"),
    )


def _memory(row: Row, per: str) -> Cells:
    return (
        _name(row["command"]),
        change(row["peak_before_mib"], row["peak_after_mib"], _mib, changed=row["changed"]),
        _count(row, "processes"),
    )


def _programs(row: Row, per: str) -> Cells:
    def text(seconds: float | None) -> str:
        return "-" if seconds is None else _percent(100 * seconds) if per == "s" else duration(seconds)

    moved = f"{row['path_before']} {ARROW} {row['path_after']}" if row["changed"] == "moved" else ""
    gone = row["changed"] == "gone"
    return (
        row["changed"] or SAME,
        _name(row["command"]),
        _count(row, "processes"),
        text(row["cpu_before_s"] if gone else row["cpu_after_s"]),
        moved or _name(row["command_line"]),
    )


def _exits(row: Row, per: str) -> Cells:
    how = f"code {row['exit_code']}" if row["signal"] is None else f"signal {row['signal']}"
    return (
        row["changed"] or SAME,
        _name(row["command"]),
        how if row["exit_code"] is not None or row["signal"] is not None else "-",
        Change.of(
            f"{row['processes_before']:,} of {row['ended_before']:,} {ARROW} "
            f"{row['processes_after']:,} of {row['ended_after']:,}",
            row["processes_before"],
            row["processes_after"],
        ),
    )


def _by(row: Row) -> str:
    return _name(row["command"]) + (f" and {row['commands'] - 1} more" if row["commands"] > 1 else "")


def _paths(row: Row) -> str:
    return str(row["path"]) + (f" and {row['paths'] - 1} more" if row["paths"] > 1 else "")


def _file_errors(row: Row, per: str) -> Cells:
    return (row["changed"], row["error"], _count(row, "failed"), _count(row, "succeeded"), _by(row), _paths(row))


def _files(row: Row, per: str) -> Cells:
    return (row["changed"], _count(row, "calls"), _by(row), _paths(row))


CALLS = ("syscall", "time", "rate", "p50", "p99", "errors")

TABLES: dict[str, tuple[Cells, Callable[[Row, str], Cells]]] = {
    "programs": (("change", "command", "processes", "CPU", "command line"), _programs),
    "syscalls_by_command": (("command", *CALLS), _calls_by_command),
    "syscalls": (CALLS, _calls),
    "cpu": (("command", "CPU", "waiting", "processes"), _cpu),
    "memory": (("command", "peak", "processes"), _memory),
    "exits": (("change", "command", "ended by", "processes"), _exits),
    "file_errors": (("change", "error", "failed", "succeeded", "command", "path"), _file_errors),
    "files": (("change", "calls", "command", "path"), _files),
}
"""Name of a section → the heads of its columns, and the cells of a row."""

CHANGED = ("syscalls_by_command", "syscalls", "cpu", "memory")
"""Sections of what is in both recordings; the others list what came and went."""
