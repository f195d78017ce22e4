"""Text formats: exact for programs, safe for terminals, whatever is in a trace."""

import csv
import io
import json
from pathlib import Path

import pytest

import sysmon
from sysmon.analyze.commands.dump import line
from sysmon.analyze.text import formats
from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.times import instant_ns, iso
from sysmon.analyze.trace.values import Instant, Value
from sysmon.errors import BadRequest
from sysmon.safe_text import csv_cell, markdown_cell, one_line, shown
from tests import traces
from tests.traces import T0, at, born, row

HOSTILE = [
    "\x1b[2J\x1b[1;1Howned",
    "two\nlines\r\n",
    "\x9b31m",
    "\u202egnp.exe",
    "a\u2028b",
    "[red]rich[/red]",
    "| pipe | `code` <script>alert(1)</script> **bold** ![x](y)",
    '=cmd|"/c calc"!A1',
    "-1+1",
    "+1",
    "@SUM(A1)",
    "\t=1",
    "\uff1d1",
    "quote \" comma , apostrophe '",
    "\x7f\x00\U000e0041",
    "é ü 漢字",
]


def result(tmp_path: Path, texts: list[str], query: str = "SELECT comm, path FROM execs ORDER BY ts") -> Result:
    rows = [row("exec", at(i), pid=7, start=born(0), comm=t, path=t, argv=[t]) for i, t in enumerate(texts)]
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        found = Result.of(trace.sql(query))
        return Result(found.names, found.numeric, iter(list(found.rows)))


def acts(text: str) -> bool:
    return any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0x2028 <= ord(c) <= 0x202E or ord(c) > 0xE0000 for c in text)


@pytest.mark.parametrize("form", ["json", "csv", "markdown"])
def test_nothing_acts_on_the_terminal(tmp_path: Path, form: str) -> None:
    stream = io.StringIO()
    formats.write(result(tmp_path, HOSTILE), form, stream)
    lines = stream.getvalue().split("\n")
    assert len(lines) - 1 == len(HOSTILE) + {"json": 2, "csv": 1, "markdown": 2}[form]
    assert not any(map(acts, lines))


def test_tables_and_dumps_are_one_line_a_row(tmp_path: Path) -> None:
    lines, left_out = formats.table_lines(result(tmp_path, HOSTILE))
    assert (len(lines), left_out) == (len(HOSTILE) + 1, 0)
    assert not any(map(acts, lines))
    dumped = [line({"ts": Instant(T0), "kind": "exec", "comm": text}) for text in HOSTILE]
    assert not any(map(acts, dumped))
    assert "[red]rich[/red]" in "\n".join(lines)


def test_json_is_exact(tmp_path: Path) -> None:
    stream = io.StringIO()
    formats.write_json(
        result(tmp_path, HOSTILE, "SELECT ts, comm, argv, signal FROM execs, (SELECT NULL AS signal) ORDER BY ts"),
        stream,
    )
    found = json.loads(stream.getvalue())
    assert [r["comm"] for r in found] == HOSTILE
    assert [r["argv"] for r in found] == [[t] for t in HOSTILE]
    assert found[1]["ts"] == "2023-11-14T22:13:21.000000000Z"
    assert found[0]["signal"] is None


def test_json_of_values_that_json_does_not_have(tmp_path: Path) -> None:
    query = (
        "SELECT 'nan'::DOUBLE AS a, 'inf'::FLOAT AS b, 2::HUGEINT ** 2 AS c, "
        "170141183460469231731687303715884105727 AS d, '\\xFF'::BLOB AS e, "
        "[ts] AS f, {'x': ts} AS g, MAP {'k': 1} AS h, DATE '2020-01-02' AS i, 1.5::DECIMAL(4, 2) AS j, "
        "INTERVAL 1 DAY AS k, uuid() IS NULL AS l FROM execs"
    )
    stream = io.StringIO()
    formats.write_json(result(tmp_path, ["x"], query), stream)
    (found,) = json.loads(stream.getvalue())
    when = "2023-11-14T22:13:20.000000000Z"
    assert (found["a"], found["b"], found["d"]) == (None, None, 2**127 - 1)
    assert (found["e"], found["f"], found["g"], found["h"]) == ("\\xff", [when], {"x": when}, [["k", 1]])
    assert (found["i"], found["j"], found["l"]) == ("2020-01-02", 1.5, False)


def test_csv_runs_no_formula_and_keeps_numbers(tmp_path: Path) -> None:
    stream = io.StringIO()
    formats.write_csv(
        result(tmp_path, HOSTILE, "SELECT comm, -1 AS n, 0.1 AS x, NULL AS nothing FROM execs ORDER BY ts"), stream
    )
    head, *rows = csv.reader(io.StringIO(stream.getvalue()))
    assert head == ["comm", "n", "x", "nothing"]
    assert not any(r[0].lstrip().startswith(("=", "+", "-", "@", "\uff1d")) for r in rows)
    assert {tuple(r[1:]) for r in rows} == {("-1", "0.1", "")}


def test_cells() -> None:
    assert csv_cell("=1") == "'=1"
    assert csv_cell("bash") == "bash"
    assert markdown_cell("a|b`c`<d>_e_") == "a\\|b\\`c\\`\\<d\\>_e_"
    assert shown("\x1b\x85\u202e\ud800\U000e0001é") == "\\x1b\\x85\\u202e\\ud800\\U000e0001é"
    assert one_line("a\n  b\x1b") == "a b\\x1b"


def test_numbers_are_rounded_for_people() -> None:
    assert formats.human("total_s", 1.23456) == "1.235"
    assert formats.human("p50_us", 0.25) == "0.2"
    assert formats.human("calls", 1000003) == "1000003"
    assert formats.human("growth_bytes_per_min", 126_818_000.4) == "126818000"
    assert formats.human("read_bytes_per_s", 0.4) == "0"
    assert formats.human("x", 1234567.8) == "1234568"
    assert formats.human("x", 999_999.7) == "1000000"
    assert formats.human("x", 0.00002) == "0.000020"
    assert formats.human("x", -0.0) == "0"
    assert formats.human("growth_bytes_per_min", -0.2) == "0"
    assert formats.human("x", None) == "-"
    assert formats.human("ok", True) == "yes"
    assert formats.human("ts", Instant(T0 + 1999)) == "2023-11-14 22:13:20.000001"


def test_a_long_table_is_made_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page is as wide as needed, and no narrower than earlier ones."""
    monkeypatch.setattr(formats, "PAGE_ROWS", 2)

    def made(texts: list[str], limit: int | None = None) -> list[list[str]]:
        rows = iter([(text, len(text)) for text in texts])
        return list(formats.table_pages(Result(("text", "n"), (False, True), rows), limit))

    assert made(["a", "bbbbb", "c", "dddddddddd", "e"]) == [
        ["text   n", "a      1", "bbbbb  5"],
        ["c            1", "dddddddddd  10"],
        ["e            1"],
    ]
    assert made(["a", "b"]) == [["text  n", "a     1", "b     1"]]
    assert made(["a", "b", "c"], limit=1) == [["text  n", "a     1"]]
    assert made([]) == [["text  n"]]


def test_a_table_is_aligned_and_cut(tmp_path: Path) -> None:
    lines, left_out = formats.table_lines(
        result(tmp_path, ["漢字", "abc", "d"], "SELECT comm, 10 AS n FROM execs ORDER BY ts"), limit=2
    )
    assert lines == ["comm   n", "漢字  10", "abc   10"]
    assert left_out == 1
    lines, _ = formats.table_lines(result(tmp_path, ["x" * 50]), width=20)
    assert lines[1] == "x" * 19 + "…"


def table(rows: list[tuple[Value, ...]], width: int | None = None) -> tuple[list[str], list[str]]:
    """Lines of a table with a text, a number, a text and a number, and the columns that did not fit."""
    unseen: list[str] = []
    names, numeric = ("path", "calls", "command", "errors"), (False, True, False, True)
    return formats.table_lines(Result(names, numeric, iter(rows)), width=width, unseen=unseen)[0], unseen


def test_a_long_text_does_not_pad_every_row_of_a_pipe() -> None:
    lines, unseen = table([("/a", 1, "x" * 4000, 12345), ("/b", 22, "y", 6)])
    # 4 of path, 5 of calls, 60 of command, 6 of errors, and three gaps.
    assert lines[2] == "/b       22  y" + " " * 59 + "       6"
    assert lines[1] == "/a        1  " + "x" * 4000 + "   12345"
    assert not unseen
    assert all(line == line.rstrip() for line in lines)


def test_a_table_fits_the_terminal_and_cuts_no_number() -> None:
    rows: list[tuple[Value, ...]] = [("/" + "p" * 99, 1234567, "c" * 50, 12345)]
    # 7 and 6 of numbers, 6 of gaps: of 80 cells 61 are left for two texts, at most 31 each; both are cut equally.
    lines, unseen = table(rows, 80)
    assert lines[1] == "/" + "p" * 28 + "…  1234567  " + "c" * 29 + "…   12345"
    assert (max(map(len, lines)), unseen) == (79, [])
    # At least 12 of each text: 43 cells; with one less the last column does not fit.
    assert table(rows, 43)[1] == []
    lines, unseen = table(rows, 42)
    assert unseen == ["errors"] and lines[1].endswith("…") and "1234567" in lines[1]
    # 12 of the path, a gap of 2 and 7 of `calls` are one more than available.
    assert table(rows, 20)[1] == ["calls", "command", "errors"]
    assert max(map(len, table(rows, 5)[0])) == 5


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("+1.5", T0 + 1_500_000_000),
        ("1.5", T0 + 1_500_000_000),
        ("250ms", T0 + 250_000_000),
        ("+2m", T0 + 120 * 10**9),
        ("0", T0),
        ("+0.000000001", T0 + 1),
        ("2023-11-14T22:13:20", T0),
        ("2023-11-14 22:13:20Z", T0),
        ("2023-11-14T23:13:20.123456789+01:00", T0 + 123_456_789),
        ("2023-11-14", T0 - 80_000 * 10**9),
    ],
)
def test_times_that_people_type(text: str, ns: int) -> None:
    assert instant_ns(text, T0) == ns


@pytest.mark.parametrize("text", ["", "-1", "yesterday", "+", "1x", "9999-01-01", "2023-13-01", "+999999999999h", "１"])
def test_invalid_times(text: str) -> None:
    with pytest.raises(BadRequest):
        instant_ns(text, T0)


def test_instants_in_words() -> None:
    assert iso(T0 + 1) == "2023-11-14T22:13:20.000000001Z"
    assert iso(-1, 3) == "1969-12-31T23:59:59.999Z"
    assert iso(T0, 0) == "2023-11-14T22:13:20Z"


def test_a_table_without_columns_has_no_lines() -> None:
    assert formats.table_lines(Result((), (), iter(()))) == ([], 0)
