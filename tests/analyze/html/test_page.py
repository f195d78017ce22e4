"""Pages: what the frame guarantees, whatever their content."""

import base64
import hashlib
import io

import jinja2
import pytest

from sysmon.analyze.html import cells, page
from sysmon.analyze.html.page import Table
from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.values import Instant, Value
from tests import traces
from tests.page import Reader

PAGE = """
{%- extends "base.html" %}
{% from "parts.html" import facts, table, columns %}
{% block title %}{{ title }}{% endblock %}
{% block main %}{{ facts(pairs) }}{{ table(rows, title) }}{{ columns(rows) }}{% endblock %}
"""


def result(*columns: tuple[str, bool, list[Value]]) -> Result:
    names, numeric, values = zip(*columns, strict=True)
    return Result(names, numeric, iter(zip(*values, strict=True)))


def written(monkeypatch: pytest.MonkeyPatch, **values: object) -> str:
    stream = io.BytesIO()
    environment = page._environment().overlay(
        loader=jinja2.ChoiceLoader([jinja2.DictLoader({"page.html": PAGE}), page._environment().loader])  # type: ignore[list-item]
    )
    monkeypatch.setattr(page, "_environment", lambda: environment)
    given: dict[str, object] = {"title": "T", "pairs": [], "rows": Table.of(result(("a", False, [])), started_ns=0)}
    page.write("page.html", stream, **(given | values))
    return stream.getvalue().decode()


def test_the_policy_allows_this_style_and_this_script_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(written(monkeypatch))
    policy = next(a["content"] for _, a, _ in reader.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for element, rule in (("style", "style-src"), ("script", "script-src")):
        (text,) = reader.texts(element)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert set(rules) == {"default-src", "style-src", "script-src", "img-src", "base-uri", "form-action"}


HOSTILE = (
    "</td><script>alert(1)</script>", "\"'><img src=http://evil onerror=alert(1)>", "</script></style>",
    "{{ 7 * 7 }}{% raw %}", "\x1b[31mred", "\u202eright to left", "&lt;b&gt;", "javascript:alert(1)", "\x00\ud800",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_text_stays_text_in_every_context(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def elements(value: str) -> list[tuple[str, list[str]]]:
        rows = Table.of(result((value, False, [value])), started_ns=0, command=value)
        html = written(monkeypatch, title=value, pairs=[(value, value)], rows=rows)
        assert not set(html) & set("\x00\x1b\u202e")
        return [(name, list(attrs)) for name, attrs, _ in Reader(html).elements]

    assert elements(text) == elements("x" * len(text))
    rows = Table.of(result(("name", False, [text])), started_ns=0)
    assert cells_of(written(monkeypatch, rows=rows)) == [page.visible(text)]


def cells_of(html: str) -> list[str]:
    return Reader(html).texts("td")


def test_a_missing_template_value_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(jinja2.UndefinedError):
        written(monkeypatch, pairs=jinja2.StrictUndefined("pairs"))


def test_a_table_keeps_the_first_rows_and_counts_the_others() -> None:
    table = Table.of(result(("n", True, list(range(1000)))), started_ns=0, limit=7, command="show all")
    assert [r[0].text for r in table.rows] == list("0123456")
    assert table.left_out == 993
    assert table.count == "The first 7 of 1,000 rows; 993 more"
    whole = Table.of(result(("n", True, [1, 2])), started_ns=0, limit=2)
    assert (whole.left_out, whole.count) == (0, "2 rows")


def test_a_table_has_a_limit_of_text_too() -> None:
    table = Table.of(result(("name", False, ["x" * 500] * 200)), started_ns=0)
    assert len(table.rows) * 500 <= page.TABLE_CHARACTERS + 500
    assert len(table.rows) + table.left_out == 200


def test_columns_of_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Table.of(
        result(
            ("pid", True, [1234567, None]),
            ("rss_bytes", True, [1536, None]),
            ("ts", False, [Instant(traces.at(1.5)), None]),
            ("comm", False, ["cat", None]),
        ),
        started_ns=traces.T0,
    )
    assert [(c.title, c.style) for c in rows.columns] == [("pid", "n"), ("rss", "n"), ("ts", "t"), ("comm", "")]
    html = written(monkeypatch, rows=rows)
    assert cells_of(html) == ["1234567", "1.50 KiB", "22:13:21.500000", "cat", "–", "–", "–", "–"]
    exact = [attrs["data-v"] for name, attrs, _ in Reader(html).elements if name == "td" and "data-v" in attrs]
    assert exact == ["1536", "1500000000"]


def test_a_column_has_one_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit that suits its largest value."""
    values: list[list[Value]] = [[2 << 20, 1536, 0, 1], [1.5e6, 20.0, 0.01, None]]
    result = Result(("rss_bytes", "p99_us"), (True, True), iter(list(zip(*values, strict=True))))
    html = written(monkeypatch, rows=Table.of(result, started_ns=traces.T0))
    assert cells_of(html) == [
        "2.00 MiB",
        "1.50 s",
        "0.00146 MiB",
        "<0.0001 s",
        "0 MiB",
        "<0.0001 s",
        "<0.0001 MiB",
        "–",
    ]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("calls", 1234567, "1,234,567"),
        ("pid", 1234567, "1234567"),
        ("parent_pid", 4000, "4000"),
        ("lifetime_s", 0.0005, "500 us"),
        ("lifetime_s", 0.25, "250 ms"),
        ("lifetime_s", 119.4, "119 s"),
        ("lifetime_s", 125, "125 s"),
        ("lifetime_s", 7260, "7,260 s"),
        ("p99_us", 121634.8, "122 ms"),
        ("low_ns", 999, "999 ns"),
        ("low_ns", 0, "0 ns"),
        ("waited_ns", -1500, "-1.50 us"),
        ("rss_bytes", 0, "0 bytes"),
        ("rss_bytes", 1 << 20, "1.00 MiB"),
        ("rss_bytes", 1 << 60, "1,048,576 TiB"),
        ("lifetime_s", 1, "1.00 s"),
        ("mean_ns", 0.5, "0.50 ns"),
        ("rss_bytes", 1023, "1,023 bytes"),
        ("growth_bytes_per_min", 3 << 19, "1.50 MiB/min"),
        ("cpu_pct", 12.345, "12.3 %"),
        ("cpu_pct", 0.0123, "0.0123 %"),
        ("peak_per_s", 412, "412 /s"),
        ("r2", 0.98765, "0.988"),
        ("ratio", 12345.6, "12,346"),
    ],
)
def test_numbers_as_people_read_them(name: str, value: int | float, text: str) -> None:
    assert cells.number(name, value) == text


@pytest.mark.parametrize(
    ("name", "title"),
    [("p99_us", "p99"), ("p999_us", "p99.9"), ("growth_bytes_per_min", "growth"), ("first_seen", "first seen")],
)
def test_titles_of_columns(name: str, title: str) -> None:
    assert cells.title(name) == title


def test_another_days_date_is_shown() -> None:
    assert cells.instant(Instant(traces.T0 + 86_400 * 10**9), traces.T0) == "2023-11-15 22:13:20.000000"


def test_prose() -> None:
    assert page.prose("in `a<b` only, 5 %") == "in <code>a&lt;b</code> only, 5\N{NO-BREAK SPACE}%"
