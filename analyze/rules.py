"""The rules of findings: every `.sql` file of `sql/findings` is one; what they share is in `sql/findings/parts`."""

from __future__ import annotations

import re
from functools import cache

from analyze.reports import reports
from analyze.sqlfile import DIRECTORY, View, read_view

Rule = View
"""A rule is a view in the schema `finding`: its rows are findings, its title says what they are."""

READ = re.compile(r"\b(?:report|finding)\.\w+")


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, in the order of their names."""
    return tuple(read_view(path) for path in sorted((DIRECTORY / "findings").glob("*.sql")))


@cache
def parts() -> tuple[View, ...]:
    """What several rules read: made as tables, once for an open trace."""
    return tuple(read_view(path) for path in sorted((DIRECTORY / "findings" / "parts").glob("*.sql")))


@cache
def known() -> dict[str, View]:
    """All that SQL can name as `report.NAME` or `finding.NAME`."""
    return {f"{v.schema}.{v.name}": v for v in (*parts(), *rules(), *reports())}


def made_first(sql: str) -> list[View]:
    """What a statement names of the reports, rules and parts. Raises KeyError for one that there is not."""
    return [known()[name] for name in dict.fromkeys(READ.findall(sql))]
