"""Parts of traces as traces of their own."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

import sysmon
from sysmon.analyze.edit import slices, standing
from sysmon.analyze.trace.reports import reports
from sysmon.analyze.trace.trace import Trace
from sysmon.bpf.trace_file.directory import Directory
from sysmon.errors import BadRequest, CannotWrite
from tests.lengths import LONG, examples
from tests.traces import Row, at, born, row, write

SAMPLES = Path(__file__).parents[3] / "sample_traces"

LATER = {
    # What happened to a process after the part, and exactly when it began before it.
    "processes": {"started", "ended", "lifetime_s", "exit_code", "core_dumped", "alive_at_start", "alive_at_end"},
    "process_tree": {"started", "lifetime_s", "exit_code"},
    "activity": {"started", "ended", "exit_code"},
    "storms": {"first_at"},
    "restarts": {"first_at", "median_lifetime_ms"},
    # The window that the command chooses.
    "findings": {"command"},
}
"""Columns of reports that tell of a window what its rows alone do not say."""

DIFFERENT = {
    "lives": "an exec before the part began a life",
    "tcp_connections": "a part has those that are open when it ends",
    "tcp_states": "likewise",
}

ONLY_OF_WINDOWS = {"waits_for_server"}
"""Findings that rest on sockets which were opened before the part."""


def rows_of(*paths: Path, like: Path) -> duckdb.DuckDBPyRelation:
    """The rows of files that are no states and names, with the columns of one of them."""
    names = pq.read_schema(like).names
    states = [f"kind NOT IN ({', '.join(repr(kind) for kind in sorted(standing.KINDS_STANDING))})"]
    if "io_limits" in names:
        states.append("NOT (kind = 'cgroup_limit' AND quota_ns IS NULL AND io_limits IS NULL)")
    if "connection_id" in names:
        states.append("NOT (kind = 'connection' AND ended IS NULL)")
    columns = ", ".join(f'"{name}"' for name in names)
    files = ", ".join(f"'{path}'" for path in paths)
    return duckdb.sql(f"SELECT {columns} FROM read_parquet([{files}]) WHERE {' AND '.join(states)}")


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Another one in each run."""
    return random.Random(request.config.option.hypothesis_seed)


@pytest.mark.slow
def test_adjacent_parts_add_up(sample_trace: Callable[[str], Trace], tmp_path: Path, chance: random.Random) -> None:
    """Of some samples in each run, cut at any instant."""
    samples = sorted(SAMPLES.glob("*.parquet"))
    for path in chance.sample(samples, examples(len(samples))):
        folder = tmp_path / path.stem
        folder.mkdir()
        assert_adjacent_parts_add_up(sample_trace(path.stem), path, folder, chance)


def assert_adjacent_parts_add_up(trace: Trace, whole: Path, folder: Path, chance: random.Random) -> None:
    edges = trace.own("SELECT DISTINCT EPOCH_NS(ts) FROM unfiltered.stored WHERE ts IS NOT NULL").fetchall()
    cut = chance.choice(sorted(edges))[0]
    files = [folder / "a.parquet", folder / "b.parquet"]
    began = cut <= trace.metadata["started_ns"]
    for file, window in zip(files, ((None, cut + began), (cut + began, None)), strict=True):
        with trace.between(*window) as part:
            said = slices.write(part, file)
            assert sum(said["rows"].values()) == pq.ParquetFile(file).metadata.num_rows
    one, both = rows_of(whole, like=whole), rows_of(*files, like=whole)
    assert both.aggregate("count(*)").fetchall() == one.aggregate("count(*)").fetchall()
    assert one.except_(both).limit(1).fetchall() == both.except_(one).limit(1).fetchall() == []


@pytest.mark.slow
def test_reports_of_a_part_are_those_of_the_window(tmp_path: Path, chance: random.Random) -> None:
    """Of two samples with different kinds of rows; in each run another half of the reports of each."""
    names = [r.name for r in reports() if r.name not in DIFFERENT]
    of_convoy = names if LONG else chance.sample(names, len(names) // 2)
    of_disk = names if LONG else [name for name in names if name not in of_convoy]
    assert_reports_are_those_of_the_window("convoy", "+1.2", "+2.7", of_convoy, tmp_path)
    assert_reports_are_those_of_the_window("slow_disk", "+2", None, of_disk, tmp_path)


def assert_reports_are_those_of_the_window(
    sample: str, since: str, until: str | None, names: list[str], folder: Path
) -> None:
    file = folder / f"{sample}.parquet"
    with sysmon.open(SAMPLES / f"{sample}.parquet", since=since, until=until) as window:
        window.write_slice(file)
        with sysmon.open(file) as part:
            for name in names:
                assert answer(part, name) == answer(window, name), name


def answer(trace: Trace, name: str) -> list[tuple[object, ...]]:
    found = trace.report(name)
    columns = [column for column in found.columns if column not in LATER.get(name, ())]
    rows = found.select(*(f'"{column}"' for column in columns)).fetchall()
    return [found for found in rows if name != "findings" or found[1] not in ONLY_OF_WINDOWS]


def lives() -> list[Row]:
    def fork(second: float, pid: int, parent: int, comm: str) -> Row:
        names = {"ppid": parent, "parent_start": born(parent / 100), "uid": 5, "comm": comm}
        return row("fork", at(second), pid=pid, start=born(pid / 100), **names)

    def cpu(second: float, pid: int) -> Row:
        return row("cpu", at(second), pid=pid, start=born(pid / 100), tid=pid, oncpu_ns=10**6)

    return [
        row("process", at(0), pid=50, start=born(0.5), ppid=1, comm="shell", edge="start", threads=3),
        fork(1, 100, 50, "shell"),
        row("exec", at(1.5), pid=100, start=born(1), ppid=50, comm="make", executable="/bin/make", argv=["make"]),
        fork(2, 200, 100, "make"),
        row("exit", at(3.5), pid=200, start=born(2), exit_code=0, comm="make"),
        fork(5, 500, 100, "make"),
        row("rename", at(5.5), pid=500, start=born(5), tid=500, old_comm="make", comm="worker"),
        row("exit", at(8), pid=100, start=born(1), exit_code=0, comm="make"),
        *(cpu(second, pid) for second in (4, 6) for pid in (50, 100, 200, 500) if pid < second * 100),
        *(row("clock", at(s), event="snapshot", boottime_ns=0, monotonic_ns=0, realtime_ns=0) for s in (0, 2, 4, 6, 8)),
        row("loss", at(4), cause="ring full", place="exec", lost=3),
        row("loss", at(6), cause="ring full", place="exec", lost=4),
    ]


STATES = "SELECT pid, comm, ppid, path, edge, threads, EPOCH_NS(ts) FROM unfiltered.process_states ORDER BY pid, ts"


def test_processes_at_the_edges_of_a_part(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", lives())
    with sysmon.open(path, since="+3.8", until="+7") as window:
        said = window.write_slice(tmp_path / "part.parquet")
    assert said["losses"] == [{"cause": "ring full", "place": "exec", "lost": 7}]
    assert (said["started_ns"], said["ended_ns"], said["stopped_by"]) == (at(3.8), at(7), "slice")
    assert said["slice"] == {"started_ns": at(0), "ended_ns": at(10), "processes": []}
    with sysmon.open(tmp_path / "part.parquet") as part:
        assert part.metadata["rows"] == {**dict.fromkeys(part.metadata["rows"], 0), **said["rows"]}
        assert part.own(STATES).fetchall() == [
            (50, "shell", 1, None, "both", None, at(3.8)),
            (100, "make", 50, "/bin/make", "both", None, at(3.8)),
            (200, "make", 100, None, "neither", None, at(3.8)),  # its last CPU time is in the part
            (500, "worker", 100, None, "end", None, at(7)),
        ]
        assert part.report("processes").select("pid").order("pid").fetchall() == [(50,), (100,), (500,)]
        assert part.own("SELECT SUM(oncpu_ns) FROM main.cpu").fetchall() == [(7 * 10**6,)]
        with part.between(at(5.2), None) as later:
            again = later.write_slice(tmp_path / "again.parquet")
    assert again["slice"] == said["slice"] and again["stopped_by"] == "slice"
    with sysmon.open(tmp_path / "again.parquet") as part:
        assert [found[:2] + found[4:5] for found in part.own(STATES).fetchall()] == [
            (50, "shell", "both"),
            (100, "make", "both"),
            (200, "make", "neither"),
            (500, "make", "start"),  # renamed later, in the part
            (500, "worker", "end"),
        ]


def test_chosen_processes_and_their_descendants(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", lives())
    with Trace(path, pids=[100], follow=True) as chosen:
        said = slices.write(chosen, tmp_path / "part.parquet")
    assert said["slice"]["processes"] == ["--pid", "100", "--follow"]
    with sysmon.open(tmp_path / "part.parquet") as part:
        found = part.own("SELECT pid, comm FROM main.processes ORDER BY pid").fetchall()
        assert found == [(100, "make"), (200, "make"), (500, "worker")]
        names = part.own("SELECT pid, parent_comm FROM unfiltered.processes ORDER BY pid").fetchall()
        assert names == [(50, None), (100, "shell"), (200, "make"), (500, "make")]
        ((complete,),) = part.own("SELECT cpu_complete FROM main.recording").fetchall()
        assert not complete  # others have used CPUs
    with pytest.raises(BadRequest, match="choose some"):
        Trace(path, follow=True)


def test_a_window_outside_and_a_name_that_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", lives())
    for window, said in (({"since": "+11"}, "after the end"), ({"until": "2001-01-01"}, "before the start")):
        with sysmon.open(path, **window) as trace, pytest.raises(BadRequest, match=said):
            trace.write_slice(tmp_path / "part.parquet")
    with sysmon.open(path) as trace, Directory.hold(tmp_path) as place:
        with pytest.raises(CannotWrite, match="exists"):
            trace.write_slice(path)
        name = slices.write_in(place, "t.parquet", trace, at(1), at(3))
        assert name != "t.parquet"
        with sysmon.open(tmp_path / name) as part:
            assert (part.metadata["started_ns"], part.metadata["ended_ns"]) == (at(1), at(3))
