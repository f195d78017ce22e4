"""The table of intervals says what the reports of each interval's window say, and its counts add up to theirs."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from sysmon.analyze import follow
from sysmon.analyze.follow import Options, intervals
from sysmon.analyze.text.screen import Screen
from sysmon.analyze.trace.times import iso
from sysmon.analyze.trace.trace import Trace
from tests import traces
from tests.conftest import SAMPLES
from tests.growing import Recorder
from tests.traces import at, born, calls, row

ALL = Options(top=10**6)

COUNTS = {
    "calls": "SELECT SUM(calls) FROM report.syscalls",
    "errors": "SELECT SUM(errors) FROM report.syscalls",
    "forks": "SELECT COUNT(*) FROM main.forks",
    "read_bytes": "SELECT SUM(read_bytes) FROM report.io",
    "written_bytes": "SELECT SUM(written_bytes) FROM report.io",
}


def one(trace: Trace, query: str) -> object:
    ((found,),) = trace.own(query).fetchall()
    return found


@pytest.mark.parametrize("sample", ["build", "web"])
def test_counts_of_all_intervals_are_those_of_the_reports(sample: str) -> None:
    with Trace(SAMPLES / f"{sample}.parquet") as trace:
        whole = {name: one(trace, query) for name, query in COUNTS.items()}
        cpu_s = one(trace, "SELECT SUM(cpu_s) FROM report.cpu")
        found = list(intervals.intervals(trace, ALL))
    for name, total in whole.items():
        assert total
        assert sum(i.machine[name] for i in found) == total
        if name != "forks":
            assert sum(p[name] or 0 for i in found for p in i.processes) == total
    assert sum(p["cpu_s"] or 0 for i in found for p in i.processes) == pytest.approx(cpu_s)
    assert sum(i.machine["interval_s"] for i in found) == pytest.approx(one_span(sample))


def one_span(sample: str) -> float:
    with Trace(SAMPLES / f"{sample}.parquet") as trace:
        return float(one(trace, "SELECT counted_s FROM finding.span"))  # type: ignore[arg-type]


def test_each_figure_is_that_of_the_reports_of_the_interval() -> None:
    path = SAMPLES / "web.parquet"
    with Trace(path) as trace:
        ends, found = [], []
        for interval in intervals.intervals(trace, ALL):
            ends.append((trace.since_ns, trace.until_ns))
            found.append(interval)
    for (since, until), interval in list(zip(ends, found, strict=True))[1:4]:
        assert since and until
        with Trace(path, since=iso(since), until=iso(until)) as part:
            cpu = {
                (r[0], r[1]): r[2:] for r in part.own("SELECT pid, start, cpu_s, cpu_pct FROM report.cpu").fetchall()
            }
            rss = dict(part.own("SELECT pid, rss_mib * 1048576 FROM report.memory WHERE rss_mib > 0").fetchall())
            busy = one(part, "SELECT 100 * SUM(busy_s) / SUM(busy_s + idle_s + COALESCE(stolen_s, 0)) FROM report.cpus")
            waited = one(part, "SELECT SUM(wait_s) FROM report.runqueue")
            for name, query in COUNTS.items():
                assert interval.machine[name] == (one(part, query) or 0)
        assert interval.machine["busy_pct"] == pytest.approx(busy)
        assert interval.machine["waiting"] == pytest.approx(waited / interval.machine["interval_s"])
        assert cpu == {(p["pid"], p["start"]): (p["cpu_s"], p["cpu_pct"]) for p in interval.processes if p["cpu_s"]}
        assert rss
        assert {p["pid"]: p["rss_bytes"] for p in interval.processes if p["pid"] in rss} == rss


def handmade(path: Path, kinds: list[str]) -> Path:
    who = {"pid": 7, "start": born(-5)}
    rows = [
        *(row("clock", at(s), event="snapshot") for s in range(4)),
        *(calls(at(s), 7, born(-5), "read", 80, 10 * s, errors=s, bytes=2_000_000) for s in (1, 3)),
        *(row("cpu", at(s), **who, tid=7, oncpu_ns=5 * 10**8) for s in (1, 3)),
        row("fork", at(0.5), **who, ppid=1, comm="a"),
        row("fork", at(1), **who, ppid=1, comm="a"),
        row("memory", at(1), **who, rss_anon_bytes=1 << 20, rss_file_bytes=0, rss_shmem_bytes=0),
        row("machine", at(2), mem_available_bytes=3 * 10**9, cpu_some_ns=25 * 10**7),
    ]
    kept = [r for r in rows if r["kind"] in kinds]
    return traces.write(path, kept, kinds=kinds, ended_ns=at(3))


KINDS = ["clock", "syscall_stats", "cpu", "fork", "memory", "machine", "loss"]


def shown(path: Path, screen: Screen, options: Options, **part: str) -> list[str]:
    with Trace(path, **part) as trace:  # type: ignore[arg-type]
        follow.plain(trace, screen, options)
    return screen.stream.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


def test_what_happened_at_a_snapshot_belongs_to_the_interval_that_it_ends(
    tmp_path: Path, screen: Callable[..., Screen]
) -> None:
    path = handmade(tmp_path / "t.parquet", KINDS)
    first, second, third = [json.loads(line) for line in shown(path, screen(), Options("json"))]
    assert (first["calls"], first["errors"], first["forks"]) == (10, 1, 2)
    assert (first["processes"][0]["rss_bytes"], first["processes"][0]["cpu_pct"]) == (1 << 20, None)
    assert (second["calls"], second["forks"], second["processes"]) == (0, 0, [])
    assert (second["available_bytes"], second["cpu_pressure_pct"]) == (3 * 10**9, 25.0)
    assert (third["calls"], third["read_bytes"], third["available_bytes"]) == (30, 2_000_000, None)
    assert first["ts"] == "2023-11-14T22:13:21.000000000Z"


def test_what_was_not_recorded_is_unknown(tmp_path: Path, screen: Callable[..., Screen]) -> None:
    path = handmade(tmp_path / "t.parquet", ["clock"])
    machine = shown(path, screen(), Options())[2]
    assert machine.split() == ["22:13:21.000", *["-"] * 14]


def test_intervals_are_joined_and_cut_as_asked(tmp_path: Path, screen: Callable[..., Screen]) -> None:
    path = handmade(tmp_path / "t.parquet", KINDS)
    two, rest = [json.loads(line) for line in shown(path, screen(), Options("json", every_ns=2 * 10**9))]
    assert (two["interval_s"], two["calls"], rest["interval_s"], rest["calls"]) == (2, 10, 1, 30)
    (only,) = [json.loads(line) for line in shown(path, screen(), Options("json"), since="+1.5", until="+2.5")]
    assert (only["ts"], only["calls"]) == ("2023-11-14T22:13:22.000000000Z", 0)
    assert len(shown(path, screen(), Options("json", count=2))) == 2


def test_no_line_is_wider_than_the_terminal_and_each_screen_has_a_head(
    screen: Callable[..., Screen], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, options = SAMPLES / "web.parquet", Options(top=3)
    with Trace(path) as trace:
        found = list(islice(intervals.intervals(trace, options), 5))
    monkeypatch.setattr(intervals, "intervals", lambda *_: found)
    for width in (20, 40, 80, 200):
        lines = shown(path, screen(width), options)
        assert max(map(len, lines)) <= width
        assert all(lines[i].startswith("2026-11-22") for i in (0, 10))
        assert ("io!%" in lines[0]) == (width == 200)


def test_a_growing_trace_shows_each_interval_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(tmp_path / "t.parquet", "web", 5)

    def grow() -> None:
        if recorder.left:
            recorder.add()
            recorder.commit()
        else:
            recorder.finish()

    monkeypatch.setattr(intervals, "pause", grow)
    try:
        with Trace(recorder.path) as trace:
            found = list(intervals.intervals(trace, ALL))
    finally:
        recorder.close()
    with Trace(SAMPLES / "web.parquet") as trace:
        expected = list(intervals.intervals(trace, ALL))
    assert [i.ended_ns for i in found] == [i.ended_ns for i in expected]
    assert [i.machine["calls"] for i in found[:-1]] == [i.machine["calls"] for i in expected[:-1]]
