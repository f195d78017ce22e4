"""The rules behind findings: each `.sql` file of `sql/findings` is one; shared parts are in `sql/findings/parts`."""

from __future__ import annotations

from functools import cache

from sysmon.analyze.trace.facts import facts
from sysmon.analyze.trace.reports import reports
from sysmon.analyze.trace.sqlfile import DIRECTORY, View, read_view

Rule = View
"""A rule is a view in the schema `finding`: its rows are findings, its title says what they are."""


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, by name."""
    return tuple(read_view(path) for path in sorted((DIRECTORY / "findings").glob("*.sql")))


@cache
def parts() -> tuple[View, ...]:
    """Views that several rules and reports read."""
    return tuple(read_view(path) for path in sorted((DIRECTORY / "findings" / "parts").glob("*.sql")))


@cache
def few(full_name: str) -> View:
    """The view that replaces a part where only a report's first rows are wanted."""
    return read_view(DIRECTORY / "first_rows" / f"{full_name.partition('.')[2]}.sql")


@cache
def followed() -> tuple[View, ...]:
    """What a view that follows a trace shows of a window: figures of an interval, and each kind of event as a line."""
    return tuple(read_view(path) for path in sorted((DIRECTORY / "follow").rglob("*.sql")))


@cache
def shared_by() -> tuple[View, ...]:
    """Reports, rules and their parts, facts, and what is followed: all views except those of the trace itself."""
    return (*parts(), *rules(), *reports(), *facts(), *followed())
