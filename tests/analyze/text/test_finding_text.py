"""Findings as text: which are shown, as one line and in full."""

import dataclasses

import pytest
from rich.cells import cell_len

from sysmon.analyze.text import finding_text
from sysmon.analyze.text.screen import Screen
from sysmon.analyze.text.summary import finding_lines, worst
from sysmon.analyze.trace.findings import Finding
from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.values import Value


def test_each_rule_has_one_before_a_second_of_any() -> None:
    def of(rule: str, pid: int) -> Finding:
        empty = dict.fromkeys((f.name for f in dataclasses.fields(Finding)), "")
        return Finding(**{**empty, "rule": rule, "pid": pid})  # type: ignore[arg-type]

    several = [of("a", 1), of("a", 2), of("a", 3), of("b", 4), of("c", 5)]
    assert [f.pid for f in worst(several, 3)] == [1, 4, 5]
    assert [f.pid for f in worst(several, 4)] == [1, 2, 4, 5]


@pytest.mark.parametrize("width", [40, 60, 100, 300])
@pytest.mark.parametrize("word", ["word ", "漢字 "])
def test_a_finding_fits_and_is_never_cut(width: int, word: str) -> None:
    f = Finding("r", "t", "medium", word * 40, "e", "t", "sysmon report TRACE cpu --pid 123", 123, "c", 1, "x")
    lines = finding_lines(f, width)
    assert max(map(cell_len, lines)) <= width
    assert sum(line.count(word.strip()) for line in lines) == 40
    assert sum(line.endswith("  cpu --pid 123") for line in lines) == 1
    assert "".join(lines).count("losses") == 1 and not any(line.endswith(" ") for line in lines)


def test_a_finding_that_fits_is_one_line() -> None:
    f = Finding("r", "t", "high", "short", "e", "t", "sysmon report TRACE losses", None, None, None, None)
    assert finding_lines(f, 40) == ["high    short                     losses"]


def test_a_long_command_line_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    row = ("high", "killed", "it", "y" * 4000, "limit", "sysmon report T losses", None)
    names = ("severity", "rule", "summary", "evidence", "threshold", "command", "weakened_by")
    finding_text.write(Result(names, (False,) * 7, iter([row])), Screen(), 80, None)
    out = capsys.readouterr().out
    assert len(out.splitlines()) <= 9
    assert "--format json has all" in out


def test_a_terminal_shows_all_of_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    row: tuple[Value, ...] = ("high", "losses", "word " * 30, "proof " * 30, "limit", "sysmon report T losses", None)
    names = ("severity", "rule", "summary", "evidence", "threshold", "command", "weakened_by")
    rows = [row, (*row[:-1], "ring full exec 7"), row]
    finding_text.write(Result(names, (False,) * 7, iter(rows)), Screen(), 80, 2)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) < 80
    assert (out.count("word"), out.count("proof"), out.count("limit\n")) == (60, 60, 2)
    assert out.count("  losses    ring full exec 7\n") == 1
    assert out.count("  more      sysmon report T losses\n") == 2
    assert out.endswith("(1 more; see --limit)\n")
