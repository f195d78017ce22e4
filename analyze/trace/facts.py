"""The measures that can be split by any of their dimensions: each file of `sql/facts` is one.

The columns of its view are the dimensions, and the last is what is added up. So a new dimension is a column there, with
its documentation, and no code.
"""

from __future__ import annotations

from functools import cache

from sysmon.analyze.trace.sqlfile import DIRECTORY, View, read_view

AMOUNT = "amount"
"""The column of a fact that is added up."""

TELLING = ("state", "function", "error", "object", "syscall")
"""What tells most of a measure, first those that few have."""


@cache
def facts() -> tuple[View, ...]:
    """All measures; `time` first, the others by name."""
    found = [read_view(path) for path in sorted((DIRECTORY / "facts").glob("*.sql"))]
    return tuple(sorted(found, key=lambda fact: (fact.name != "time", fact.name)))


def dimensions(fact: View) -> tuple[str, ...]:
    """By what a measure can be split."""
    return tuple(column.name for column in fact.columns if column.name != AMOUNT)


def usual(fact: View) -> tuple[str, ...]:
    """By what a measure is split if nobody says: the command, and what tells most of it."""
    return ("comm", *[name for name in TELLING if name in dimensions(fact)][:1])
