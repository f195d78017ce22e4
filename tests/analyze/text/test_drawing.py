"""Drawings made of text: the meaning of bars and shades, worked out by hand."""

import io
import os
import pty
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import sysmon
import sysmon.cli
from sysmon.analyze.text.drawing import DRAWINGS, Paper
from sysmon.analyze.text.formats import table_lines
from sysmon.analyze.trace.reports import reports
from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.values import Instant
from tests import traces
from tests.golden import sample
from tests.traces import T0, at, born, bucket_of, calls, row

pytestmark = pytest.mark.slow

HISTOGRAM = ("syscall", "low_ns", "high_ns", "calls", "abi")
TIMELINE = ("ts", "interval_s", "syscall", "octave", "calls", "time_ns", "abi")


def paper(width: int = 100, blocks: bool = True, begin: float = 0, end: float = 10) -> Paper:
    return Paper(width, blocks, T0, at(begin), at(end))


def result(names: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> Result:
    return Result(names, tuple(n not in ("ts", "syscall", "abi") for n in names), iter(list(rows)))


def cells(name: str, names: tuple[str, ...], rows: list[tuple[Any, ...]], on: Paper) -> list[tuple[Any, ...]]:
    return list(DRAWINGS[name].draw(result(names, rows), on).rows)


def test_a_bar_is_relative_to_the_fullest_bucket() -> None:
    rows = [
        ("read", 0, 1, 800, "x86_64"),
        ("read", 1, 2, 400, "x86_64"),
        ("read", 2, 3, 5, "x86_64"),  # 1/160 of 20 cells: one eighth
        ("read", 3, 4, 1, "x86_64"),  # less than that, but still visible
        ("read", 4, 5, 0, "x86_64"),
        ("read", 0, 1, 3, "i386"),  # of a histogram of its own
        ("write", 0, 1, 2, "x86_64"),
        ("write", 1, 2, None, "x86_64"),
    ]
    assert [r[4] for r in cells("syscall_histogram", HISTOGRAM, rows, paper())] == [
        "█" * 20, "█" * 10, "▏", "▏", "", "█" * 20, "█" * 20, "",
    ]  # fmt: skip
    assert [r[4] for r in cells("syscall_histogram", HISTOGRAM, rows, paper(blocks=False))] == [
        "#" * 20, "#" * 10, "#", "#", "", "#" * 20, "#" * 20, "",
    ]  # fmt: skip
    assert [len(r[4]) for r in cells("syscall_histogram", HISTOGRAM, rows[:2], paper(width=32))] == [4, 2]
    assert [r[:4] + r[5:] for r in cells("syscall_histogram", HISTOGRAM, rows, paper())] == rows


def test_each_process_has_its_own_histogram() -> None:
    names = ("pid", "comm", *HISTOGRAM, "start")
    rows = [(7, "a", "read", 0, 1, 4, "x", 1), (7, "a", "read", 0, 1, 2, "x", 2), (8, "a", "read", 0, 1, 1, "x", 1)]
    assert {r[6] for r in cells("syscall_histogram_by_process", names, rows, paper())} == {"█" * 20}


def seen(second: float, interval: float | None, low_ns: int, count: int, syscall: str = "read") -> tuple[Any, ...]:
    return Instant(at(second)), interval, syscall, low_ns.bit_length(), count, low_ns * count, "x86_64"


def test_a_map_has_latency_upwards_and_time_to_the_right() -> None:
    # 55 cells are the minimum of ten slots: one a second here.
    rows = [
        seen(1, 1, 4096, 64),
        seen(2, 1, 4096, 16),
        seen(2, 1, 5000, 4),  # the same octave: 20 in all, from 1/4 of 64 on
        seen(3, 1, 4096, 15),
        seen(4, 1, 4096, 3),
        seen(4, 1, 1024, 1),
        seen(5, 1, 4096, 1),
        seen(10, 1, 1024, 64),
    ]
    assert cells("latency_timeline", TIMELINE, rows, paper(width=55)) == [
        ("read", "4.10 us", 103, "██▓▒▒     ", "x86_64"),
        ("read", "2.05 us", 0, "          ", "x86_64"),
        ("read", "1.02 us", 65, "   ▒     █", "x86_64"),
    ]
    assert [r[3] for r in cells("latency_timeline", TIMELINE, rows, paper(width=55, blocks=False))] == [
        "##+::     ", "          ", "   :     #",
    ]  # fmt: skip
    shown = DRAWINGS["latency_timeline"].draw(result(TIMELINE, rows), paper(width=55))
    assert shown.names == ("syscall", "latency", "calls", "+0s   +10s", "abi")
    assert "█ from 1/4" in shown.legend


def test_a_long_interval_fills_its_slots_with_its_rate() -> None:
    # 32 calls in 8 s are the same rate as 4 in one; the window shows the last 6 of these 8 seconds.
    rows = [seen(8, 8, 512, 32), seen(9, 1, 512, 4), seen(10, 1, 512, 16)]
    (only,) = cells("latency_timeline", TIMELINE, rows, paper(width=55))
    assert only[3] == "█" * 10
    (only,) = cells("latency_timeline", TIMELINE, [*rows[:2], seen(10, 1, 512, 17)], paper(width=55))
    assert only[3] == "▓" * 9 + "█"
    (only,) = cells("latency_timeline", TIMELINE, [*rows[:2], seen(10, 1, 512, 17)], paper(width=55, begin=2, end=12))
    assert only[3] == "▓" * 7 + "█  "


def test_a_snapshot_a_little_late_shades_no_other_slot() -> None:
    (only,) = cells("latency_timeline", TIMELINE, [seen(5.005, 1, 512, 1)], paper(width=55))
    assert only[3] == "    █     "
    (only,) = cells("latency_timeline", TIMELINE, [seen(5.005, 0.008, 512, 1)], paper(width=55))
    assert only[3] == "    ██    "


def test_a_snapshot_of_unknown_length_is_at_its_end() -> None:
    (only,) = cells("latency_timeline", TIMELINE, [seen(5, None, 512, 1)], paper(width=55))
    assert only[3] == "    █     "
    (only,) = cells("latency_timeline", TIMELINE, [seen(0, None, 512, 1)], paper(width=55))
    assert only[3] == "█         "


def test_calls_that_took_the_most_time_come_first_and_wide_ranges_fit() -> None:
    rows = [seen(1, 1, 1, 100, "fast"), seen(1, 1, 0, 1, "slow"), seen(1, 1, 1 << 40, 1, "slow")]
    found = cells("latency_timeline", TIMELINE, rows, paper())
    # 42 octaves, including 0 ns, four per row.
    assert [r[0] for r in found] == ["slow"] * 11 + ["fast"]
    assert [r[1] for r in found] == [
        "550 s", "34.4 s", "2.15 s", "134 ms", "8.39 ms", "524 us", "32.8 us", "2.05 us", "128 ns", "8 ns", "0 ns",
        "1 ns",
    ]  # fmt: skip


def test_nothing_to_draw() -> None:
    for name, names in (("syscall_histogram", HISTOGRAM), ("latency_timeline", TIMELINE)):
        assert table_lines(DRAWINGS[name].draw(result(names, []), paper()))[0][1:] == []


def test_the_query_behind_a_heat_map(tmp_path: Path) -> None:
    # 2000 snapshots in 10 s are 400 times five of 5 ms, each with one call of 64 ns and three of 65 to 127 ns.
    rows = [row("clock", at(0), event="start")]
    for n in range(1, 2001):
        when = at(0.005 * n)
        rows.append(row("clock", when, event="snapshot"))
        rows += [calls(when, 7, born(0), "read", b, c) for b, c in ((bucket_of(64), 1), (bucket_of(100), 3))]
    path = traces.write(tmp_path / "t.parquet", rows)
    with sysmon.open(path) as trace:
        found = trace.own(DRAWINGS["latency_timeline"].query).fetchall()
    # The middles of the buckets from 64 to 72 and from 96 to 104 ns.
    assert sum(r[4] for r in found) == 8000
    assert sum(r[5] for r in found) == 2000 * 68 + 6000 * 100
    assert {r[3] for r in found} == {7}
    # The last snapshot is at the end, in a slot of its own.
    assert 400 <= len(found) <= 401
    assert sum(r[1] for r in found) == pytest.approx(10)
    with sysmon.open(path, since="+2", until="+4") as trace:
        part = trace.own(DRAWINGS["latency_timeline"].query).fetchall()
    assert (sum(r[4] for r in part), sum(r[1] for r in part)) == (1600, pytest.approx(2))


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> str:
    rows = [*sample.rows(), *(row("clock", at(s), event="snapshot") for s in range(2, 10))]
    return str(traces.write(tmp_path_factory.mktemp("drawing") / "sample.parquet", rows))


def output(monkeypatch: pytest.MonkeyPatch, encoding: str, *arguments: str) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    monkeypatch.setattr(sys, "argv", ["sysmon", "report", *arguments])
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit) as ended:
        sysmon.cli.main()
    assert ended.value.code == 0
    stream.seek(0)
    return stream.read()


@pytest.mark.parametrize("name", ["syscall_histogram", "syscall_histogram_by_process", "latency_timeline"])
def test_only_tables_are_drawn(trace: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "█" in output(monkeypatch, "utf-8", trace, name)
    assert "█" in output(monkeypatch, "utf-8", trace, name, "--by", "cgroup")
    ascii_table = output(monkeypatch, "ascii", trace, name)
    assert "#" in ascii_table
    assert "\\u" not in ascii_table
    for form in ("json", "csv", "markdown"):
        text = output(monkeypatch, "utf-8", trace, name, "--format", form)
        assert not set(text) & set("█▏░▒▓#")
        assert "low_ns" in text


def on_terminal(width: int, env: dict[str, str], *arguments: str) -> str:
    """What the command writes to a terminal of this width."""
    main, other = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(Path(sysmon.__file__).parents[1]), "COLUMNS": str(width), **env}
    with subprocess.Popen(
        [sys.executable, "-m", "sysmon", *arguments], env=environment, stdout=other, stdin=other, close_fds=True
    ) as process:
        os.close(other)
        text = b""
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:  # EIO: the other end is closed
                break
            if not part:
                break
            text += part
        os.close(main)
    assert process.returncode == 0
    return text.decode()


@pytest.mark.parametrize("width", [20, 40, 200])
@pytest.mark.parametrize("name", ["syscall_histogram_by_process", "latency_timeline"])
def test_a_terminal_of_any_width_holds_the_drawing(trace: str, name: str, width: int) -> None:
    text = on_terminal(width, {"NO_COLOR": "1", "PYTHONUTF8": "1"}, "report", trace, name, "--limit", "5")
    assert "\x1b" not in text
    table = text.replace("\r", "").splitlines()[:6]
    assert max(map(len, table)) <= width


def test_a_terminal_that_has_no_blocks(trace: str) -> None:
    env = {"NO_COLOR": "1", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    for name, width in (("syscall_histogram_by_process", 80), ("latency_timeline", 40)):
        text = on_terminal(width, env, "report", trace, name, "--limit", "5").replace("\r", "")
        assert text.isascii()
        assert "#" in text
        assert max(map(len, text.splitlines()[:6])) == width  # cut lines end in one character


def test_drawings_are_of_reports() -> None:
    assert set(DRAWINGS) <= {r.name for r in reports()}
