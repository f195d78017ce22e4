"""The rules of findings: every `.sql` file of `sql/findings` is one; what they share is in `sql/findings/parts`."""

from __future__ import annotations

from functools import cache

from sysmon.analyze.trace.reports import reports
from sysmon.analyze.trace.sqlfile import DIRECTORY, View, read_view

Rule = View
"""A rule is a view in the schema `finding`: its rows are findings, its title says what they are."""


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, in the order of their names."""
    return tuple(read_view(path) for path in sorted((DIRECTORY / "findings").glob("*.sql")))


@cache
def parts() -> tuple[View, ...]:
    """What several rules and reports read."""
    return tuple(read_view(path) for path in sorted((DIRECTORY / "findings" / "parts").glob("*.sql")))


@cache
def few(full_name: str) -> View:
    """The view that takes the place of a part where only the first rows of a report are wanted."""
    return read_view(DIRECTORY / "first_rows" / f"{full_name.partition('.')[2]}.sql")


@cache
def shared_by() -> tuple[View, ...]:
    """Reports, rules and what these share: all views but those of the trace itself."""
    return (*parts(), *rules(), *reports())
