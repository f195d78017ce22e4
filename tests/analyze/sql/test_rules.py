"""The rule files: their form and their documentation."""

import re
from typing import Any

import pytest

from sysmon.analyze.trace.reports import find_report, reports
from sysmon.analyze.trace.rules import parts, rules
from sysmon.analyze.trace.sqlfile import DIRECTORY
from sysmon.bpf.kinds import KINDS

COLUMNS = [c.name for c in rules()[0].columns]


@pytest.mark.parametrize("rule", rules(), ids=lambda r: r.name)
def test_every_rule_has_the_required_form(rule: Any) -> None:
    assert (rule.schema, [c.name for c in rule.columns]) == ("finding", COLUMNS)
    assert (DIRECTORY / "findings" / f"{rule.name}.sql").exists()
    assert f"SELECT '{rule.name}'" in find_report("findings").query


@pytest.mark.parametrize("rule", rules(), ids=lambda r: r.name)
def test_every_threshold_is_in_the_documentation(rule: Any) -> None:
    threshold = next(line for line in rule.query.splitlines() if re.match(r"    '.*\d", line))
    for number in re.findall(r"\d[\d,.]*", threshold):
        assert number.strip(",.") in rule.doc, number


@pytest.mark.parametrize("rule", rules(), ids=lambda r: r.name)
def test_every_command_is_a_report(rule: Any) -> None:
    names = re.findall(r"^    (?:FORMAT\()?'(\w+)(?: --pid \{\})?'", rule.query, re.MULTILINE)
    assert set(names) & {r.name for r in reports()}, names


@pytest.mark.parametrize("rule", rules(), ids=lambda r: r.name)
def test_every_rule_declares_the_kinds_it_reads(rule: Any) -> None:
    """The kinds of the views that it reads, except those that only name processes."""
    lasts = re.findall(r"^    ('[\w, ]*'|CASE WHEN .* END)\nFROM", rule.query, re.MULTILINE)
    assert len(lasts) == rule.query.count("\nUNION ALL\n") + 1
    choices = [re.findall(r"'([\w, ]*)'", last) for last in lasts]
    said = {name for every in choices for name in max(every, key=len).split(", ")}
    views = {k.view: k.name for k in KINDS} | {"call": "syscall_stats"}
    named = set(re.findall(r"\b(?:main|finding)\.(\w+)", rule.query))
    read = {views[name] for name in named & views.keys()} - {"loss"}
    assert read - {"exec"} <= said
    assert all(kinds == ", ".join(sorted(kinds.split(", "))) for every in choices for kinds in every)


def test_parts_are_read() -> None:
    used = {name for view in (*rules(), *parts(), *reports()) for name in re.findall(r"\bfinding\.(\w+)", view.query)}
    assert {p.name for p in parts()} <= used
