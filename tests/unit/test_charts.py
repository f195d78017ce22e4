"""Charts, as what matplotlib was told to draw: no pixels."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

import analyze
from analyze import charts
from analyze.charts import output, style
from analyze.errors import CannotWrite, NoData
from bpf.errors import BadRequest
from tests import traces
from tests.golden import sample
from tests.traces import Row, at, born, calls, row

MIB = 1 << 20

Drawn = Callable[..., Figure]


@pytest.fixture
def drawn(tmp_path: Path) -> Drawn:
    """Draws a chart of handmade rows."""

    def draw(name: str, rows: list[Row], part: dict[str, Any] | None = None, /, **changes: Any) -> Figure:
        given = part or {}
        syscall = given.pop("syscall", None)
        path = traces.write(tmp_path / "t.parquet", rows, **changes)
        with analyze.open_trace(path, **given) as trace:
            return charts.draw(trace, name, syscall=syscall)

    return draw


def stack_of(axes: Axes) -> dict[str, np.ndarray[Any, Any]]:
    """The thickness of each layer, by what it is called."""
    out = {}
    for patch in axes.patches:
        if isinstance(patch, StepPatch) and patch.get_fill():
            values, _, base = patch.get_data()
            out[str(patch.get_gid())] = values - (0 if base is None else base)
    return out


def texts(figure: Figure) -> str:
    """All that is written on the figure outside of its panels."""
    return "\n".join(
        t.get_text() for t in (*figure.texts, *(t for legend in figure.legends for t in legend.get_texts()))
    )


def had(second: float, pid: int, rss_mib: float, start: float = 0) -> Row:
    return row("memory", at(second), pid=pid, start=born(start), rss_anon_bytes=round(rss_mib * MIB), rss_file_bytes=0,
               rss_shmem_bytes=0, swap_bytes=0)  # fmt: skip


def test_memory_is_what_each_process_had_until_it_ended(drawn: Drawn) -> None:
    # 7 does not run in the third second and has what it had; 8 ends at 2.5 s and is no more at the third snapshot.
    rows = [
        had(1, 7, 10), had(1, 8, 4), had(2, 7, 20), had(4, 7, 40), had(4, 9, 1),
        row("exit", at(2.5), pid=8, start=born(0), comm="b"), row("exec", at(0.5), pid=7, start=born(0), comm="a"),
        row("clock", at(3), event="snapshot"),
    ]  # fmt: skip
    stack = stack_of(drawn("memory", rows).axes[0])
    assert {name: list(values) for name, values in stack.items()} == {
        "a 7": [10, 20, 20, 40],
        "b 8": [4, 4, 0, 0],
        "? 9": [0, 0, 0, 1],
    }


def test_latency_counts_each_call_and_marks_percentiles(drawn: Drawn) -> None:
    # 98 reads of 1024 to 1151 ns, 2 of 2^20 ns: the median is 1087 ns, the 99th of the slow ones.
    rows = [
        calls(at(1), 7, born(0), "read", traces.bucket_of(1024), 98),
        calls(at(2), 7, born(0), "read", traces.bucket_of(1 << 20), 2),
    ]
    (axes,) = drawn("latency", rows).axes
    assert np.nansum(stack_of_raw(axes)) == 100
    marks = {str(line.get_gid()): line.get_xdata()[0] for line in axes.lines}  # type: ignore[index]
    assert marks["p50"] == pytest.approx(1087.5)
    assert marks["p99"] == pytest.approx((1 << 20) + (1 << 16) - 0.5)


def stack_of_raw(axes: Axes) -> np.ndarray[Any, Any]:
    (patch,) = (p for p in axes.patches if isinstance(p, StepPatch))
    return np.asarray(patch.get_data().values)


@pytest.mark.parametrize("name", charts.CHARTS)
def test_an_empty_trace_has_nothing_to_draw(name: str, drawn: Drawn) -> None:
    with pytest.raises(NoData, match="in this part of the trace"):
        drawn(name, [])
    with pytest.raises(NoData, match="recorded without"):
        drawn(name, [], kinds=["process"])


@pytest.mark.parametrize("name", charts.CHARTS)
def test_an_svg_for_a_page(name: str, tmp_path: Path) -> None:
    path = traces.write(tmp_path / "t.parquet", sample.rows() + hostile(), losses=sample.LOSSES)
    with analyze.open_trace(path) as trace:
        text = charts.svg(charts.draw(trace, name))
        again = charts.svg(charts.draw(trace, name))
    ElementTree.fromstring(text)
    assert text == again
    assert text.startswith('<svg role="img"')
    assert "<style" not in text
    assert style.INK not in text
    assert "currentColor" in text
    assert len(text) < 100_000
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def hostile() -> list[Row]:
    """Processes with names that are markup, mathematics, control characters, or in no font."""
    names = ["$x^2$", "_hidden", "<b>&amp;", "\x1b[31m\n", "漢😀𠀀", "%s{}\\", "a" * 400]
    return [
        r
        for i, name in enumerate(names)
        for r in (
            row("exec", at(1), pid=2000 + i, start=born(0), comm=name, argv=[name]),
            had(1, 2000 + i, 500 + i),
            had(2, 2000 + i, 600 + i),
        )
    ]


def test_names_are_shown_and_not_run(drawn: Drawn) -> None:
    figure = drawn("memory", hostile())
    output.rendered(figure, "png")
    said = texts(figure)
    for name in (
        "$x^2$ 2000",
        "_hidden 2001",
        "<b>&amp; 2002",
        "\\x1b[31m\\x0a 2003",
        "\\u6f22😀\\U00020000 2004",
        "aaa…",
    ):
        assert name in said
    assert not any(t.get_parse_math() for legend in figure.legends for t in legend.get_texts())


@pytest.mark.parametrize("ending", output.ENDINGS)
def test_files(ending: str, drawn: Drawn, tmp_path: Path) -> None:
    figure = drawn("memory", [had(1, 7, 10)])
    path = tmp_path / f"chart.{ending}"
    size = charts.write(figure, path)
    content = path.read_bytes()
    assert size == len(content)
    assert {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending] == content[: 4 + (ending == "svg")]
    with pytest.raises(CannotWrite, match="exists"):
        charts.write(figure, path)
    charts.write(figure, path, force=True)
    assert path.read_bytes() == content
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"chart.{ending}", "t.parquet"]


def test_bad_requests(drawn: Drawn, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="did you mean memory"):
        drawn("memry", [])
    with pytest.raises(BadRequest, match="--syscall is for"):
        drawn("memory", [had(1, 7, 1)], {"syscall": "read"})
    with pytest.raises(BadRequest, match=r"\.png, \.svg or \.pdf"):
        charts.write(Figure(), tmp_path / "chart.gif")
