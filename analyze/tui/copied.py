"""What shows the same without a screen: a command of one line that can be pasted, whatever names are in it."""

from __future__ import annotations

from collections.abc import Sequence

from sysmon.analyze.tui import shaping, splitting
from sysmon.analyze.tui.pages import EVENTS, Section
from sysmon.analyze.tui.places import Place
from sysmon.safe_text import shell_command


def command(trace: str, section: Section, place: Place, number: int, options: Sequence[str]) -> str:
    """A report of the window; as a query if the place shows only some of its rows, or in another order."""
    rows = section.report != EVENTS and "." not in section.report
    if rows and (section.where or place.filter or place.where or place.folded or place.order(number).column):
        return sql_command(trace, section, place, number, options)
    if section.report == EVENTS:
        return shell_command(["sysmon", "replay", trace, "--events", *options])
    if "." in section.report:
        return shell_command(["sysmon", "replay", trace, "--plain", *options])
    return shell_command(["sysmon", "report", trace, section.report, *options])


def sql_command(trace: str, section: Section, place: Place, number: int, options: Sequence[str]) -> str:
    """The same as a query."""
    sql = shaping.query(section, place, number, place.where or None, shaping.literal)
    return shell_command(["sysmon", "sql", trace, sql, *options])


def pivot_command(trace: str, place: Place, options: Sequence[str]) -> str:
    """What splits the same."""
    split = place.split
    where = splitting.where(split, place.where)
    given = ["--where", where] if where else []
    by = ",".join(splitting.by_of(split))
    return shell_command(["sysmon", "pivot", trace, "--measure", split.measure, "--by", by, *given, *options])
