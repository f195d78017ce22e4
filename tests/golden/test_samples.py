"""Every report of every sample trace, and the summaries, say what they said; `--update-golden` rewrites the files.

A table has at most 40 rows and is cut at 200 characters: enough to see a number move, and small enough to be read.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from analyze import summary
from analyze.reports import reports
from analyze.result import Result
from analyze.screen import Screen
from analyze.trace import Trace

HERE = Path(__file__).parent
SAMPLES = sorted(path.stem for path in (HERE.parents[1] / "sample_traces").glob("*.parquet"))
OUTPUTS = ("summary", *(r.name for r in reports()))
ROWS = 40
WIDTH = 200


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_golden(sample: str, output: str, sample_trace: Callable[[str], Trace], request: pytest.FixtureRequest) -> None:
    text = written(sample_trace(sample), output)
    golden = HERE / sample / f"{output}.txt"
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
