"""The rules of findings: every `.sql` file of `sql/findings` is one; what they share is in `sql/findings/parts`."""

from __future__ import annotations

import re
from functools import cache

from sysmon.analyze.trace.reports import reports
from sysmon.analyze.trace.sqlfile import DIRECTORY, View, read_view

Rule = View
"""A rule is a view in the schema `finding`: its rows are findings, its title says what they are."""

ONLY_NAMES = frozenset(("call", "everyone", "ranked_stats"))
"""Parts that only give names to what is in a table already: views, as a table of their own would be a copy."""

READ = re.compile(r"\b(?:report|finding)\.\w+")


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, in the order of their names."""
    return tuple(read_view(path) for path in sorted((DIRECTORY / "findings").glob("*.sql")))


@cache
def parts() -> tuple[View, ...]:
    """What several rules and reports read."""
    return tuple(read_view(path) for path in sorted((DIRECTORY / "findings" / "parts").glob("*.sql")))


@cache
def few(name: str) -> View:
    """The view that takes the place of a part where only the first rows of a report are wanted."""
    return read_view(DIRECTORY / "few" / f"{name}.sql")


def is_kept(view: View) -> bool:
    """Whether the rows of a view are computed once for an open trace: those of rules, and of what they share."""
    return view.schema == "finding" and view.name not in ONLY_NAMES


@cache
def known() -> dict[str, View]:
    """All that SQL can name as `report.NAME` or `finding.NAME`."""
    return {f"{v.schema}.{v.name}": v for v in (*parts(), *rules(), *reports())}


def made_first(sql: str) -> list[View]:
    """What a statement names of the reports, rules and parts. Raises KeyError for one that there is not."""
    return [known()[name] for name in dict.fromkeys(READ.findall(sql))]


def read_with(sql: str) -> set[str]:
    """The statement, and those of what it reads that is not kept. A name that there is not is of no concern here."""
    out: set[str] = set()
    todo = [sql]
    while todo:
        text = todo.pop()
        if text not in out:
            out.add(text)
            read = (known().get(name) for name in READ.findall(text))
            todo += [view.sql for view in read if view is not None and not is_kept(view)]
    return out
