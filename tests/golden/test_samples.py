"""Every report of every sample trace, the summaries, and the diff of the two releases, compared with golden files.

`--update-golden` rewrites the files.

A table has at most 40 rows and is cut at 200 characters: enough to notice a changed number, and short enough to read.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import sysmon.cli
from sysmon.analyze.text import summary
from sysmon.analyze.text.screen import Screen
from sysmon.analyze.trace.reports import reports
from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.trace import Trace

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
TRACES = HERE.parents[1] / "sample_traces"
SAMPLES = sorted(path.stem for path in TRACES.glob("*.parquet"))
OUTPUTS = ("summary", *(r.name for r in reports()))
ROWS = 40
WIDTH = 200


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_golden(sample: str, output: str, sample_trace: Callable[[str], Trace], request: pytest.FixtureRequest) -> None:
    check(f"{sample}/{output}", written(sample_trace(sample), output), request)


def test_diff(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    before, after = (str(TRACES / f"release-{n}.parquet") for n in (1, 2))
    monkeypatch.setattr(sys, "argv", ["sysmon", "diff", before, after])
    with pytest.raises(SystemExit):
        sysmon.cli.main()
    check("diff", capsys.readouterr().out, request)


@pytest.mark.parametrize(
    ("sample", "arguments"), [("web", ["--plain"]), ("slow_disk", ["--events", "--until", "+0.5"])]
)
def test_replay(
    sample: str,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["sysmon", "replay", str(TRACES / f"{sample}.parquet"), *arguments, "--count", "40"]
    )
    with pytest.raises(SystemExit):
        sysmon.cli.main()
    check(f"replay.{sample}", capsys.readouterr().out, request)


def check(name: str, text: str, request: pytest.FixtureRequest) -> None:
    golden = HERE / f"{name}.txt"
    if request.config.getoption("--update-golden"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def written(trace: Trace, output: str) -> str:
    screen = Screen()
    screen.stream, screen.is_terminal, screen.colours, screen.width = io.StringIO(), False, False, WIDTH
    if output == "summary":
        summary.write_screen(trace, screen)
    else:
        screen.rows(Result.of(trace.report(output)), "table", ROWS)
    return screen.stream.getvalue()


@pytest.mark.parametrize("sample", SAMPLES)
def test_no_other_files(sample: str) -> None:
    assert {path.stem for path in (HERE / sample).iterdir()} == set(OUTPUTS)
