"""The HTML report has everything in a trace, and all of that as text only."""

import io
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import sysmon
import sysmon.cli
import sysmon.commands
from sysmon.analyze import charts
from sysmon.analyze.commands.report import _html
from sysmon.analyze.html import page, report, svg
from sysmon.analyze.html.page import TEMPLATES
from sysmon.analyze.trace.findings import Finding
from sysmon.analyze.trace.reports import reports
from sysmon.errors import CannotWrite
from sysmon.safe_text import ACTING, shown
from tests import hostile, traces
from tests.golden import sample
from tests.lengths import some
from tests.page import Reader

pytestmark = pytest.mark.slow

ROOT = Path(sysmon.__file__).parents[1]
SAMPLES = sorted((ROOT / "sample_traces").glob("*.parquet"))
LIMIT_BYTES = 5_000_000


def written(path: Path, limit: int = page.TABLE_ROWS, **part: Any) -> str:
    stream = io.BytesIO()
    with sysmon.open(path, **part) as trace:
        report.write_html(trace, stream, limit=limit)
    return stream.getvalue().decode()


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("html") / "sample.parquet"
    return traces.write(path, sample.rows(), probes=sample.PROBES, losses=sample.LOSSES)


@pytest.fixture(scope="module")
def html(trace: Path) -> str:
    return written(trace)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages with two reports and neither findings nor charts: a whole one takes seconds."""
    known = {r.name: r for r in reports()}
    monkeypatch.setattr(report, "reports", lambda: (known["processes"], known["execs"]))
    monkeypatch.setattr(report, "findings", lambda _: [])
    monkeypatch.setattr(report, "CHARTS", {})


def headings(html: str) -> list[str]:
    """The second- and third-level headings, in order."""
    return ["".join(text) for name, _, text in Reader(html).elements if name in ("h2", "h3")]


def tables(html: str) -> dict[str, str]:
    """The markup of each report's article, by the report's name."""
    articles = re.findall(r'<article class="card" aria-labelledby="(\w+)">(.*?)</article>', html, re.DOTALL)
    return dict(articles)


def test_every_report_with_rows_is_there_with_its_rows(trace: Path, html: str) -> None:
    found = tables(html)
    with sysmon.open(trace) as opened:
        for each in reports():
            rows = len(opened.report(each.name).fetchall())
            if rows and each.name not in report.SHOWN_OTHERWISE:
                assert found[each.name].count("<tr>") == rows + 1, each.name
            else:
                assert each.name not in found
    assert len(found) > 15


def test_reports_without_rows_are_named_with_the_reason(tmp_path: Path) -> None:
    kinds = [k for k in traces.recording()["kinds"] if k not in ("kernel_memory", "socket")]
    text = written(traces.write(tmp_path / "t.parquet", sample.rows()[:10], kinds=kinds))
    missing = text[text.index("Reports without rows") :]
    assert "recorded without kernel_memory" in missing
    assert "connections" in missing


def test_each_table_says_what_it_is_and_what_its_columns_mean(html: str) -> None:
    known = {r.name: r for r in reports()}
    for name, text in tables(html).items():
        reader = Reader(text)
        assert known[name].title in "".join(reader.texts("h3"))
        columns = [c.name for c in known[name].columns]
        assert len(reader.texts("th")) == len(columns)
        for column in columns:
            assert f"<dt><code>{column}</code></dt><dd>" in text
        assert f"sysmon report sample.parquet {name}" in reader.texts("code")


def test_losses_are_shown_at_the_top_and_at_each_table(html: str) -> None:
    assert html.index("LOST 9") < html.index("<h2")
    for text in tables(html).values():
        assert "LOST 9: ring full exec 7, map full cpu 2" in text
        assert "Nothing was lost" not in text


def test_no_losses_are_stated_too(few: None, tmp_path: Path) -> None:
    text = written(traces.write(tmp_path / "t.parquet", [r for r in sample.rows() if r["kind"] != "loss"]))
    assert "Nothing was lost." in text[: text.index("<h2")]
    assert "LOST" not in text


def test_exact_values_are_numbers(html: str) -> None:
    cells = [a for name, a, _ in Reader(html).elements if name == "td"]
    exact = [a["data-v"] for a in cells if "data-v" in a]
    assert len(exact) > 50
    assert all(v is not None and float(v) == float(v) for v in exact)
    # What sorts as a number has its value in the attribute, or is a number itself, or is unknown.
    numeric = [
        ("".join(text), a) for name, a, text in Reader(html).elements if name == "td" and a.get("class") in ("n", "t")
    ]
    assert all("data-v" in a or text == "–" or float(text) == float(text) for text, a in numeric)


def test_numbers_stand_to_the_right(html: str) -> None:
    heads = {"".join(text): a.get("class") for name, a, text in Reader(html).elements if name == "th"}
    assert heads["calls"] == heads["pid"] == "n"
    assert heads["ended"] == "t"
    assert heads["syscall"] is None


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"pids": [101]}, "pid 101"),
        ({"comms": ["cc"]}, "comm cc"),
        ({"since": "+1.5", "until": "+7"}, "since +1.500 s, until +7.000 s"),
        ({"cgroups": ["/web"]}, "cgroup /web"),
    ],
)
def test_a_part_is_named_in_the_heading(few: None, part: dict[str, Any], said: str, tmp_path: Path) -> None:
    rows = [
        *sample.rows(),
        traces.row("process", traces.at(0), pid=7, start=traces.born(-1), comm="nginx", edge="start", cgroup_id=7),
        traces.row("cgroup", traces.at(0), cgroup_id=7, cgroup_path="/web/a"),
    ]
    text = written(traces.write(tmp_path / "t.parquet", rows), **part)
    (named,) = re.findall(r'<p class="part">(.*?)</p>', text[: text.index("<h2")])
    assert said in named
    options = [word for name, values in part.items() for word in _words(name, values)]
    for name in tables(text):
        assert any(
            code == shlex.join(["sysmon", "report", "t.parquet", name, *options])
            for code in Reader(tables(text)[name]).texts("code")
        )


def _words(name: str, values: Any) -> list[str]:
    if isinstance(values, str):
        return [f"--{name}", values]
    return [word for value in values for word in (f"--{name.removesuffix('s')}", str(value))]


def test_only_the_part_is_in_it(few: None, trace: Path) -> None:
    text = written(trace, pids=[101])
    assert set(re.findall(r'<tr><td class="n">(\d+)</td>', tables(text)["processes"])) == {"101"}
    assert '<p class="part">' not in written(trace)


@pytest.mark.parametrize(
    "rows",
    [[], [traces.row("exec", traces.at(1), pid=7, start=traces.born(0), comm="one")], [traces.row("exec", None)]],
    ids=["empty", "one row", "one row of nothing"],
)
def test_nearly_empty_traces(rows: list[traces.Row], tmp_path: Path) -> None:
    text = written(traces.write(tmp_path / "t.parquet", rows))
    assert "Reports without rows" in headings(text)
    assert len(tables(text)) <= (5 if rows else 0)


def test_a_window_with_nothing_in_it(trace: Path) -> None:
    text = written(trace, since="+20", until="+30")
    assert "after the end of the recording" in text[: text.index("<h2")]
    assert "Reports without rows" in headings(text)


def test_tables_are_cut_and_say_so(few: None, tmp_path: Path) -> None:
    rows = [traces.row("exec", traces.at(i / 100), pid=i, start=traces.born(0), comm="c") for i in range(1, 500)]
    path = traces.write(tmp_path / "t.parquet", rows)
    execs = tables(written(path))["execs"]
    assert execs.count("<tr>") == page.TABLE_ROWS + 1
    assert "The first 300 of 499 rows; 199 more: <code>sysmon report t.parquet execs</code>" in re.sub(
        "<span.*?</span>", "", execs
    )
    assert tables(written(path, limit=7))["execs"].count("<tr>") == 8


def test_reports_that_charts_show_are_not_read_from_a_large_trace(
    few: None, trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {r.name: r for r in reports()}
    monkeypatch.setattr(report, "reports", lambda: (known["execs"], known["latency_timeline"]))
    monkeypatch.setattr(report, "LARGE_ROWS", 10)
    assert set(report.DRAWN) <= set(known)
    assert set(report.DRAWN.values()) <= set(charts.CHARTS)
    text = written(trace)
    assert list(tables(text)) == ["execs"]
    assert "see the chart heatmap, or sysmon report sample.parquet latency_timeline" in text
    assert "latency_timeline" in tables(written(trace, since="+0"))


def test_findings_come_first(few: None, trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = (7, "app", traces.born(0))
    found = [
        Finding("leak", "It grows", "high", "app grows", "5 MiB", "over 1 MiB", "TRACE memory", *of, None),
        Finding("slow", "It waits", "low", hostile.TEXTS[0], hostile.TEXTS[1], "1 ms", "TRACE io", *of, "7"),
    ]
    monkeypatch.setattr(report, "findings", lambda _: found)
    text = written(trace)
    assert headings(text)[:3] == ["Findings", "app grows ", f"{hostile.TEXTS[0]} "]
    assert "sample.parquet memory" in Reader(text).texts("code")
    assert "Weakened by what was lost: 7" in text
    assert Reader(text).texts("span")[:2] == ["high", "low"]
    monkeypatch.setattr(report, "findings", lambda _: [])
    assert "No rule found anything" in written(trace)


@pytest.mark.parametrize("path", some(SAMPLES, 1, -1), ids=lambda p: p.stem)
def test_a_page_is_small(path: Path) -> None:
    assert len(written(path).encode()) < LIMIT_BYTES


def test_long_texts_do_not_make_it_large(few: None, tmp_path: Path) -> None:
    rows = [
        traces.row("exec", traces.at(i / 100), pid=i, start=traces.born(0), path="/" * 4000, argv=["x" * 16_000])
        for i in range(1, 100)
    ]
    assert len(written(traces.write(tmp_path / "t.parquet", rows)).encode()) < LIMIT_BYTES / 5


# What this package's templates may put into a page. Anything else came from a trace.
ALLOWED = {
    "html": {"lang"},
    "head": set(),
    "meta": {"charset", "name", "content", "http-equiv"},
    "style": set(),
    "script": set(),
    "body": set(),
    "header": set(),
    "main": set(),
    "nav": {"aria-label"},
    "footer": set(),
    "section": {"aria-labelledby"},
    "article": {"class", "aria-labelledby"},
    "div": {"class", "role", "aria-label", "tabindex"},
    "h1": set(),
    "h2": {"id"},
    "h3": {"id", "class"},
    "p": {"class"},
    "span": {"class"},
    "strong": set(),
    "code": {"class"},
    "a": {"href"},
    "ul": set(),
    "li": {"class"},
    "dl": {"class"},
    "dt": set(),
    "dd": set(),
    "details": {"class"},
    "summary": set(),
    "label": {"class"},
    "select": {"id", "autocomplete"},
    "option": {"value"},
    "table": {"class"},
    "thead": set(),
    "tbody": set(),
    "tr": set(),
    "th": {"scope", "class", "title"},
    "td": {"class", "data-v"},
    **{name.lower(): {attribute.lower() for attribute in svg.ATTRIBUTES} for name in svg.ELEMENTS},
}


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> str:
    name = "\"'><img src=x onerror=alert(1)>{{7*7}}\u202e.parquet"
    path = hostile.trace(tmp_path_factory.mktemp("hostile") / name)
    return written(path, comms=hostile.TEXTS[:-1], since="+0")


def test_nothing_of_a_trace_becomes_an_element(evil: str, tmp_path: Path) -> None:
    assert len(tables(evil)) > 20
    for name, attributes, _ in Reader(evil).elements:
        assert set(attributes) <= ALLOWED[name], name
    assert (evil.count("<script"), evil.count("<style"), evil.count("<!--")) == (1, 1, 0)
    counts = Counter(name for name, _, _ in Reader(evil).elements)
    texts = tuple(f"{i}" + "x" * 60 for i in range(len(hostile.TEXTS)))
    plain = written(hostile.trace(tmp_path / "plain.parquet", texts), comms=texts[:-1], since="+0")
    assert counts == Counter(name for name, _, _ in Reader(plain).elements)


def test_style_and_script_are_those_of_the_files(evil: str) -> None:
    reader = Reader(evil)
    assert reader.texts("style") == [(TEMPLATES / "style.css").read_text()]
    assert reader.texts("script") == [(TEMPLATES / "script.js").read_text()]


def test_texts_of_a_trace_are_shown_escaped(evil: str) -> None:
    assert set(ACTING.findall(evil)) == {"\n"}
    found = set(Reader(evil).texts("td"))
    for each in hostile.TEXTS:
        assert shown(each) in found


def test_nothing_is_fetched(evil: str, html: str) -> None:
    for text in (evil, html):
        for name, attributes, _ in Reader(text).elements:
            for key, value in attributes.items():
                assert value is not None
                if key in ("href", "src", "action", "data", "poster", "srcset", "cite", "background", "formaction"):
                    inside = name == "image" and value.startswith("data:image/png;base64,")
                    assert inside or value.startswith("#"), (name, key, value)
                assert not key.startswith("on")
    files = "".join((TEMPLATES / name).read_text() for name in ("style.css", "script.js"))
    assert not re.search(r"url\(|@import|@font-face|https?:|//[a-z]+\.|fetch\(|XMLHttp|eval\(|innerHTML", files)


def test_links_lead_to_headings(html: str) -> None:
    elements = Reader(html).elements
    ids = [a["id"] for _, a, _ in elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"] for name, a, _ in elements if name == "a"} <= {f"#{i}" for i in ids}
    assert {a["aria-labelledby"] for _, a, _ in elements if "aria-labelledby" in a} <= set(ids)


def run(*arguments: str | Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "0", **env}
    command = [sys.executable, "-m", "sysmon", "report", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)


def test_the_command_writes_a_file_once(
    few: None, trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out.html"

    def run(*options: str) -> tuple[int | str | None, str, str]:
        monkeypatch.setattr(sys, "argv", ["sysmon", "report", str(trace), "--html", str(path), *options])
        with pytest.raises(SystemExit) as ended:
            sysmon.cli.main()
        return ended.value.code, *capsys.readouterr()

    code, out, err = run()
    assert (code, out) == (0, "")
    assert err.startswith(f"wrote {path}: ")
    assert path.read_text(encoding="utf-8") == written(trace)
    code, out, err = run()
    assert (code, out) == (1, "")
    assert "--force" in err
    assert run("--force", "--limit", "1")[0] == 0
    assert path.read_text(encoding="utf-8") == written(trace, limit=1)
    assert os.listdir(tmp_path) == ["out.html"]


def test_the_command_writes_to_standard_output(trace: Path, html: str) -> None:
    """In UTF-8, as the page declares, whatever the locale."""
    env = {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "sysmon", "report", str(trace), "--html", "-"]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode("utf-8") == html


def test_a_reader_that_stops_early_is_no_error(trace: Path) -> None:
    program = f"{shlex.quote(sys.executable)} -m sysmon report {shlex.quote(str(trace))} --html -"
    command = f"{program} | head -c 100; exit ${{PIPESTATUS[0]}}"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", command], env=env, capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["syscalls", "--html", "x.html"], "every report"),
        (["--html", "x.html", "--format", "json"], "every report"),
        (["--html", "x.html", "--by", "cgroup"], "--by cgroup needs"),
        (["--force"], "--force needs"),
        (["--html", "."], "is a directory"),
        (["--html", "no/such/x.html"], "No such file"),
        (["--html", "x.html", "--pid", "4242"], "no process 4242"),
    ],
)
def test_impossible_requests_are_one_line(
    options: list[str], said: str, trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sysmon", "report", str(trace), *options])
    with pytest.raises(SystemExit) as ended:
        sysmon.cli.main()
    out, err = capsys.readouterr()
    assert ended.value.code
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_the_trace_itself_is_not_overwritten(tmp_path: Path) -> None:
    path = traces.write(tmp_path / "t.parquet", [])
    before = path.read_bytes()
    with sysmon.open(path) as opened, pytest.raises(CannotWrite, match="the trace itself"):
        _html(opened, str(path), None, force=True)
    assert path.read_bytes() == before


def test_half_a_page_is_removed(few: None, trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(template: str, stream: io.BytesIO, **_: object) -> None:
        stream.write(b"<!DOCTYPE html>")
        raise KeyboardInterrupt

    monkeypatch.setattr(page, "write", half)
    monkeypatch.setattr(sys, "argv", ["sysmon", "report", str(trace), "--html", str(tmp_path / "x.html")])
    with pytest.raises(SystemExit) as ended:
        sysmon.cli.main()
    assert ended.value.code == sysmon.commands.INTERRUPTED
    assert os.listdir(tmp_path) == []
