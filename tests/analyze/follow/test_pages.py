"""Each event is a line, once, in order of time, whatever is in its names; also while the trace grows."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sysmon.analyze import follow
from sysmon.analyze.follow import Options, arrivals, kinds, pages, slices
from sysmon.analyze.follow.lines import Layout, Page
from sysmon.analyze.follow.output import Skipped
from sysmon.analyze.text.screen import Screen
from sysmon.analyze.trace.trace import Trace
from sysmon.bpf.trace_file import tables
from sysmon.errors import BadRequest
from sysmon.safe_text import ACTING
from tests import hostile, traces
from tests.conftest import SAMPLES
from tests.golden import sample
from tests.growing import Recorder

Made = Callable[..., Screen]


def shown(path: Path, screen: Screen, names: str = "all", options: Options | None = None, **part: str) -> list[str]:
    with Trace(path, **part) as trace:  # type: ignore[arg-type]
        follow.events(trace, names, screen, options or Options())
    return screen.stream.getvalue().split("\n")[:-1]  # type: ignore[attr-defined, no-any-return]


@pytest.fixture(scope="module")
def handmade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return traces.write(tmp_path_factory.mktemp("t") / "t.parquet", sample.rows())


def test_a_line_for_each_row_in_order_of_time(handmade: Path, screen: Made) -> None:
    head, *lines = shown(handmade, screen())
    assert head.split() == ["2023-11-14", "event", "process", "pid", "error", "what"]
    rows = Counter(r["kind"] for r in sample.rows() if r["kind"] in kinds.known())
    rows["connection"] -= 1  # one goes on
    assert Counter(line.split()[1] for line in lines) == +rows
    assert [line[:15] for line in lines] == sorted(line[:15] for line in lines)
    (missing,) = [line for line in lines if "local/include" in line]
    assert missing == f"22:13:21.310000 open       cc{' ' * 18}102 ENOENT       /usr/local/include/stdio.h"


def test_objects_have_the_same_keys_and_their_values(handmade: Path, screen: Made) -> None:
    records = [json.loads(line) for line in shown(handmade, screen(), "exit,open", Options("json"))]
    keys = ["ts", "event", "pid", "start", "comm", "failed", "error", "what", "latency_ns"]
    assert all(list(record) == keys for record in records)
    (killed,) = [r for r in records if r["pid"] == 103]
    assert killed == {
        "ts": "2023-11-14T22:13:26.000000000Z", "event": "exit", "pid": 103, "start": traces.born(1.3), "comm": "cc",
        "failed": True, "error": None, "what": "SIGSEGV, core dumped after 4.700 s", "latency_ns": 4_700_000_000,
    }  # fmt: skip


def test_slices_change_nothing(screen: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    path = SAMPLES / "database.parquet"
    whole = shown(path, screen())
    monkeypatch.setattr(slices, "SLICE_ROWS", 300)
    with Trace(path) as trace:
        assert len(list(slices.slices(trace, ["open", "file_op"]))) > 5
    assert shown(path, screen()) == whole


def test_window_count_and_processes_choose(handmade: Path, screen: Made) -> None:
    assert len(shown(handmade, screen(), "open", Options(count=3))) == 1 + 3
    lines = shown(handmade, screen(), "exec,exit", since="+6", until="+7")
    assert [line.split()[1:3] for line in lines[1:]] == [["exit", "cc"], ["exit", "make"]]


def test_only_what_there_is_can_be_asked_for(tmp_path: Path, screen: Made, capsys: pytest.CaptureFixture[str]) -> None:
    path = traces.write(tmp_path / "t.parquet", sample.rows(), kinds=["exec", "clock"])
    with pytest.raises(BadRequest, match="there is no kind of event 'opne'; did you mean open"):
        shown(path, screen(), "exec,opne")
    assert shown(path, screen(), "dns,signal") == []
    assert "events: recorded without dns, signal: record again with them" in capsys.readouterr().err
    assert len(shown(path, screen(), "all")) == 5


def test_hostile_names_are_inert(tmp_path: Path, screen: Made) -> None:
    path = hostile.trace(tmp_path / "t.parquet")
    with Trace(path) as trace:
        rows = sum(len(p.lines) for p in pages.pages(trace, kinds.known(), Layout(), "text") if isinstance(p, Page))
    for width in (None, 120, 70, 30):
        lines = shown(path, screen(width))
        heads = [line for line in lines if re.match(r"\d{4}-\d\d-\d\d", line)]
        assert len(lines) == rows + len(heads) > 100
        assert not any(ACTING.search(line) for line in lines)
        assert width is None or max(map(len, lines)) <= width
    for line in shown(path, screen(), "all", Options("json")):
        assert json.loads(line)["event"] in kinds.known()
    lines = shown(path, screen(100, colours=True))
    assert_only_failures_are_coloured(lines)


def assert_only_failures_are_coloured(lines: list[str]) -> None:
    plain = [re.sub(r"^\x1b\[[\d;]+m(.*)\x1b\[0m$", r"\1", line) for line in lines]
    assert not any("\x1b" in line for line in plain)
    assert any(line.startswith("\x1b[31m") and " oom_kill " in line for line in lines)


# -- a recording that still runs

FOLLOWED = ("exec", "exit", "file_op", "fork", "open")


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Recorder]]:
    """Recorders of small row groups, some of whose rows come late."""
    monkeypatch.setattr(tables, "GROUP_ROWS", 300)
    made = []

    def recorder(late_rows: int) -> Recorder:
        made.append(Recorder(tmp_path / "t.parquet", "database", 8, late_rows))
        return made[-1]

    yield recorder
    made[0].close()


def followed(recorder: Recorder, monkeypatch: pytest.MonkeyPatch, end: str = "finish") -> list[Page | Skipped]:
    """Each look finds the next piece, or that the recording has ended."""

    def grow() -> None:
        if recorder.left:
            recorder.add()
            recorder.commit()
        else:
            getattr(recorder, end)()

    monkeypatch.setattr(pages, "pause", grow)
    with Trace(recorder.path) as trace:
        return list(pages.pages(trace, FOLLOWED, Layout(), "json"))


@pytest.mark.parametrize("end", ["finish", "kill"])
def test_each_event_of_a_growing_trace_is_shown_once(
    end: str, recorded: Callable[[int], Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = recorded(1_000)
    found = followed(recorder, monkeypatch, end)
    lines = Counter(line for page in found if isinstance(page, Page) for line in page.lines)
    with Trace(recorder.path) as trace:
        finished = list(pages.pages(trace, FOLLOWED, Layout(), "json"))
    expected = Counter(line for page in finished if isinstance(page, Page) for line in page.lines)
    assert len(found) >= 8
    assert lines.total() == expected.total() > 4_000
    assert _without_names(lines) == _without_names(expected)


def _without_names(lines: Counter[str]) -> Counter[str]:
    """A parent's name is that at the time of the look."""
    return Counter(re.sub(r'"what":"by .*? (\d+)"', r"\1", line) for line in lines.elements())


def test_what_is_too_much_is_skipped_and_counted(
    recorded: Callable[[int], Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "LOOK_ROWS", 100)
    recorder = recorded(0)
    found = followed(recorder, monkeypatch)
    lines = sum(len(page.lines) for page in found if isinstance(page, Page))
    skipped = sum(page.events for page in found if isinstance(page, Skipped))
    with Trace(recorder.path) as trace:
        rows = trace.metadata["rows"]
    assert 500 < lines < 1_000
    assert lines + skipped == sum(rows[kind] for kind in FOLLOWED)
