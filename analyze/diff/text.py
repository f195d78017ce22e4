"""The comparison as text: for a terminal, in Markdown and as JSON."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from sysmon.analyze.diff.figures import ARROW, SAME, UNPROVEN, Change, around, duration, number
from sysmon.analyze.diff.sections import Section
from sysmon.analyze.diff.tables import CALLED, CHANGED, TABLES
from sysmon.analyze.text import formats
from sysmon.analyze.text.screen import ALARM, BOLD, QUIET, Screen
from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.values import Value
from sysmon.safe_text import markdown_cell, shown

if TYPE_CHECKING:
    from sysmon.analyze.diff.comparison import Comparison

WIDTH = 100
"""Where sentences are wrapped if the width of the screen is not known [characters]."""


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
    """The table with a line for each figure that differs, for screens too narrow for all in one line."""
    named = names.index("syscall") + 1
    lines: list[tuple[Value, ...]] = []
    for row in rows:
        told = [(head, cell) for head, cell in zip(names[named:], row[named:], strict=True) if str(cell)[0] != SAME]
        for i, pair in enumerate(told):
            lines.append((*(row[:named] if i == 0 else [""] * named), *pair))
    heads = (*names[:named], "figure", f"before {ARROW} after")
    return Result(heads, (False,) * len(heads), iter(lines), whole=(False,) * (named + 1) + (True,))


def is_loss(note: str) -> bool:
    """Whether a note says that rows are missing, the most serious kind."""
    return note.startswith(("BEFORE lost ", "AFTER lost "))


def wrapped(text: str, screen: Screen, name: str = "") -> list[str]:
    """The text after a name, wrapped to the width of the screen."""
    room = max(20, (screen.width or WIDTH) - len(name))
    return [(name if i == 0 else " " * len(name)) + line for i, line in enumerate(textwrap.wrap(text, room))]


def headline(found: Comparison) -> list[tuple[str, str]]:
    """How long each recording was, and how busy its CPUs were."""
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
    """The sentence that says what counts as a change."""
    return (
        f"A change is {found.options.min_change_pct:g} % or more, and beyond the variation inside these recordings "
        f"(at most {100 * found.level:g} % of all changes are chance). {UNPROVEN} after a ratio: not significant; "
        f"{SAME}: the same on both sides, as printed. Rates and times are per "
        f"{'second' if found.per == 's' else 'run'}. Two recordings cannot show how much runs vary: record more."
    )


def table_of(found: Comparison, section: Section, limit: int | None) -> tuple[str, Result, int]:
    """The section's title, which also says if nothing changed or nothing is known; the first rows of its table, as
    text; and the number of all rows.
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


def _percent(value: float) -> str:
    return f"{number(value)} %"  # of any size: CPU time may be over 100 %
