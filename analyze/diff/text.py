"""The comparison for people: before → after, with the ratio, in short sections; and for programs as JSON and CSV."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TextIO

from sysmon.analyze.diff.sections import Section
from sysmon.analyze.text import formats
from sysmon.analyze.text.screen import ALARM, BOLD, QUIET, Screen
from sysmon.analyze.trace.result import Result, Value
from sysmon.safe_text import markdown_cell, shown

if TYPE_CHECKING:
    from sysmon.analyze.diff.comparison import Comparison

Row = dict[str, Any]
Cells = tuple[str, ...]

ARROW, SAME, UNPROVEN = "→", "=", "?"

NEAR = 1.05
"""A ratio below it is no change to speak of."""

LEAST = 0.0001
"""What is smaller is shown as that."""

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
        rows = list(table.rows)
        left_out = total - len(rows)
        unseen: list[str] = []
        lines, _ = formats.table_lines(replace(table, rows=iter(rows)), None, screen.width, screen.cut, unseen)
        if unseen and section.name in CALLED:
            lines, _ = formats.table_lines(upright(table.names, rows), None, screen.width, screen.cut, unseen)
        if total or was_table:
            screen.line()
        was_table = total > 0
        screen.line(shown(title) + (f", {total - left_out} shown" if total and left_out else ""), BOLD if total else "")
        for i, line in enumerate(lines if total else ()):
            screen.line(line, QUIET if i == 0 else "")
        if total:
            screen.unseen(unseen)
    screen.line()
    for line in wrapped(method(found), screen):
        screen.line(line, QUIET)


def upright(names: tuple[str, ...], rows: list[tuple[Value, ...]]) -> Result:
    """The same with a line for each figure that is not alike on both sides, where all in one line are too wide."""
    named = names.index("syscall") + 1
    lines: list[tuple[Value, ...]] = []
    for row in rows:
        told = [(head, cell) for head, cell in zip(names[named:], row[named:], strict=True) if str(cell)[0] != SAME]
        for i, pair in enumerate(told):
            lines.append((*(row[:named] if i == 0 else [""] * named), *pair))
    heads = (*names[:named], "figure", f"before {ARROW} after")
    return Result(heads, (False,) * len(heads), iter(lines), whole=(False,) * (named + 1) + (True,))


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
        f"A change is {found.options.min_change_pct:g} % or more, and beyond the variation inside these recordings "
        f"(at most {100 * found.level:g} % of all changes are chance). {UNPROVEN} after a ratio: not significant; "
        f"{SAME}: the same on both sides, as printed. Rates and times are per "
        f"{'second' if found.per == 's' else 'run'}. Two recordings cannot show how much runs vary: record more."
    )


def table_of(found: Comparison, section: Section, limit: int | None) -> tuple[str, Result, int]:
    """The section's title, which says so if nothing changed or nothing is known; the first rows of its table, in words;
    and how many rows there are in all.
    """
    reason = found.missing(section.name)
    if reason:
        return f"{section.title}: not compared, {reason}", Result((), (), iter(())), 0
    heads, cells = TABLES[section.name]
    names = heads(found.per)
    ((total,),) = found.rows(section.name).aggregate("count(*)").fetchall()
    changes = found.changes(section.name)
    told = f"{changes} changed" if section.name in CHANGED else f"{changes}"
    if changes == 0:
        in_both, commands = found.commands(section.name)
        are = "is" if in_both == 1 else "are"
        part = f"; {in_both:,} of {commands:,} commands {are} in both" if in_both < commands else ""
        told = f"no {'significant ' if total and section.name in CALLED else ''}difference{part}"
    elif section.name in CALLED and total > changes:
        told += f", {total - changes} more not significant"
    rows = found.rows(section.name) if limit is None else found.rows(section.name).limit(limit)
    table: list[tuple[Value, ...]] = [cells(row, found.per) for row in Result.of(rows).records()]
    whole = tuple(isinstance(cell, Change) for cell in table[0]) if table else ()
    return f"{section.title}: {told}", Result(names, (False,) * len(names), iter(table), whole=whole), int(total)


def change(
    before: float | None, after: float | None, text: Callable[[float], str], *, apart: bool, proven: bool = True
) -> Change:
    """Both figures, and by how much they differ if they are apart, with a mark if that is not proven."""
    return Change.of(_change(before, after, text, apart, proven), before, after)


def around(before: float | None, after: float | None, text: Callable[[float], str], *, proven: bool = True) -> Change:
    """As `change`, of figures that nothing tests: they are apart if they are not near."""
    return change(before, after, text, apart=not _near(before, after), proven=proven)


def _near(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return False
    return before == after or (min(before, after) > 0 and max(before, after) < NEAR * min(before, after))


def _change(before: float | None, after: float | None, text: Callable[[float], str], apart: bool, proven: bool) -> str:
    if before is None and after is None:
        return "-"
    parts = ["-" if v is None else text(v) for v in (before, after)]
    if parts[0] == parts[1]:
        return f"{SAME} {parts[0]}"
    ratio = _ratio(before, after) if apart else ""
    return f"{parts[0]} {ARROW} {parts[1]}{ratio}{'' if proven or not ratio else UNPROVEN}"


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
    """Three digits, or all before the point; no exponent."""
    if 0 < abs(value) < LEAST:
        return f"<{LEAST}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """A time in the unit that keeps it short; for a sentence, as a column has one unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{number(seconds / scale)} {unit}"
    return f"{number(seconds / 1e-9)} ns" if seconds else "0"


def _percent(value: float) -> str:
    return f"{number(value)} %"  # of any size: CPU time may be over 100 %


def _ms(seconds: float) -> str:
    return number(1e3 * seconds)


def _name(value: str | None) -> str:
    return "-" if value is None else value


def _count(row: Row, what: str) -> Change:
    before, after = row[f"{what}_before"], row[f"{what}_after"]
    return Change.of(f"{before:,} {ARROW} {after:,}", before, after)


def _calls(row: Row, per: str) -> Cells:
    name = row["syscall"] + (f" ({row['abi']})" if row["abi"] else "")
    changed, unproven = (row[which].split(", ") for which in ("changed", "unproven"))

    def figure(which: str, suffix: str = "") -> Change:
        before, after = row[f"{which}_before{suffix}"], row[f"{which}_after{suffix}"]
        return change(before, after, number, apart=which in (*changed, *unproven), proven=which in changed)

    return (
        name,
        around(row["time_before_s"], row["time_after_s"], _ms, proven=bool(row["changed"])),
        figure("rate"),
        figure("p50", "_us"),
        figure("p99", "_us"),
        figure("errors", "_pct"),
    )


def _calls_by_command(row: Row, per: str) -> Cells:
    return (_name(row["command"]), *_calls(row, per))


def _cpu_text(per: str) -> Callable[[float], str]:
    """CPU time in the unit of its column: percent of a CPU, or milliseconds of a run."""
    return (lambda seconds: number(100 * seconds)) if per == "s" else _ms


def _cpu(row: Row, per: str) -> Cells:
    before, after, text = row["cpu_before_s"], row["cpu_after_s"], _cpu_text(per)
    return (
        _name(row["command"]),
        around(before, after, text, proven=row["changed"]),
        around(row["wait_before_s"], row["wait_after_s"], text, proven=row["changed"]),
        _count(row, "processes"),
    )


def _memory(row: Row, per: str) -> Cells:
    return (
        _name(row["command"]),
        change(row["peak_before_mib"], row["peak_after_mib"], number, apart=row["changed"]),
        _count(row, "processes"),
    )


def _programs(row: Row, per: str) -> Cells:
    def text(seconds: float | None) -> str:
        return "-" if seconds is None else _cpu_text(per)(seconds)

    moved = f"{row['path_before']} {ARROW} {row['path_after']}" if row["changed"] == "moved" else ""
    gone = row["changed"] == "gone"
    return (
        row["changed"] or "-",
        _name(row["command"]),
        _count(row, "processes"),
        text(row["cpu_before_s"] if gone else row["cpu_after_s"]),
        moved or _name(row["command_line"]),
    )


def _exits(row: Row, per: str) -> Cells:
    how = f"code {row['exit_code']}" if row["signal"] is None else f"signal {row['signal']}"
    return (
        row["changed"] or "-",
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


def _of_calls(per: str) -> Cells:
    each = "/s" if per == "s" else ""
    return ("syscall", f"time [ms{each}]", "rate [1/s]" if each else "calls", "p50 [us]", "p99 [us]", "errors [%]")


def _of_cpu(per: str) -> str:
    return "[%]" if per == "s" else "[ms]"


TABLES: dict[str, tuple[Callable[[str], Cells], Callable[[Row, str], Cells]]] = {
    "programs": (lambda per: ("change", "command", "processes", f"CPU {_of_cpu(per)}", "command line"), _programs),
    "syscalls_by_command": (lambda per: ("command", *_of_calls(per)), _calls_by_command),
    "syscalls": (_of_calls, _calls),
    "cpu": (lambda per: ("command", f"CPU {_of_cpu(per)}", f"waiting {_of_cpu(per)}", "processes"), _cpu),
    "memory": (lambda _: ("command", "peak [MiB]", "processes"), _memory),
    "exits": (lambda _: ("change", "command", "ended by", "processes"), _exits),
    "file_errors": (lambda _: ("change", "error", "failed", "succeeded", "command", "path"), _file_errors),
    "files": (lambda _: ("change", "calls", "command", "path"), _files),
}
"""Name of a section → the heads of its columns, whose times and sizes have one unit each, and the cells of a row."""

CALLED = ("syscalls_by_command", "syscalls")
"""Sections that also have rows of which nothing is proven."""

CHANGED = ("syscalls_by_command", "syscalls", "cpu", "memory")
"""Sections of what is in both recordings; the others list what came and went."""
