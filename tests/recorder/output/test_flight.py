"""What a flight recorder keeps, and how it is requested."""

from pathlib import Path

import click
import pytest

import sysmon
from sysmon.analyze.edit.repair import make_whole
from sysmon.bpf.kinds import lifecycle
from sysmon.bpf.trace_file import partial, schema
from sysmon.errors import BadRequest
from sysmon.recorder.commands.record import record
from sysmon.recorder.output import flight
from sysmon.recorder.output.flight import FlightWriter, Keep, keep
from tests import traces
from tests.traces import T0, at, born, row

import pyarrow as pa  # isort: skip


def batch(kind: str, *rows: dict[str, object]) -> pa.RecordBatch:
    found = next(k for k in lifecycle.KINDS if k.name == kind)
    return pa.RecordBatch.from_pylist(list(rows), schema=schema.of_kind(found))


@pytest.mark.parametrize(
    ("text", "seconds", "size"),
    [("30", 30, None), ("30s", 30, None), ("5m", 300, None), ("2h", 7200, None), ("100M", None, 100 << 20)],
)
def test_a_time_or_a_size(text: str, seconds: float | None, size: int | None) -> None:
    assert keep(text) == Keep(text, seconds, size)


@pytest.mark.parametrize("text", ["", "x", "1s", "1M", "-5", "5d", "1e9"])
def test_invalid_amounts(text: str) -> None:
    with pytest.raises(BadRequest, match="--keep-last"):
        keep(text)


def test_parts_are_one_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten parts of a second, of which the last are kept; losses and rows are only of these."""
    clock = [0.0]
    monkeypatch.setattr(flight.time, "monotonic", lambda: clock[0])
    out = FlightWriter(tmp_path / "t.parquet", False, Keep("4s", 4.0))
    for second in range(10):
        clock[0] = float(second)
        lost = [{"cause": "ring full", "place": "fork", "lost": 10 * second}] if second else []
        if second:
            assert out.is_full
            out.turn({"losses": lost, "ended_ns": at(second)})
        out.begin(traces.recording(started_ns=at(second), losses=lost, ring="4s", began_ns=T0))
        alive = row("process", at(second), pid=7, start=born(-5), comm="old", edge="start")
        with out.opening():
            out.add(lifecycle.PROCESS, batch("process", alive))
        out.commit({})
        fork = row("fork", at(second + 0.5), pid=100 + second, start=born(second), ppid=7, comm="new")
        out.add(lifecycle.FORK, batch("fork", fork))
    # 5 to 9 are kept: the trace begins at 5, when the losses were 50.
    assert [p.name[-len("000000.partial") :] for p in partial.of(tmp_path / "t.parquet")[0]] == [
        f"{number:06}.partial" for number in range(6, 11)
    ]
    out.commit({"ended_ns": at(9.6), "losses": [{"cause": "ring full", "place": "fork", "lost": 93}]})
    with sysmon.open(tmp_path / "t.parquet") as trace:  # while it is being written
        assert trace.metadata["losses"] == [{"cause": "ring full", "place": "fork", "lost": 43}]
    last = traces.recording(losses=[{"cause": "ring full", "place": "fork", "lost": 95}], ended_ns=at(10), ring="4s")
    whole = out.finish(last)
    assert (whole["started_ns"], whole["ended_ns"]) == (at(5), at(10))
    assert whole["losses"] == [{"cause": "ring full", "place": "fork", "lost": 45}]
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]
    with sysmon.open(tmp_path / "t.parquet") as trace:
        assert trace.sql("SELECT pid FROM forks ORDER BY pid").fetchall() == [(n,) for n in range(105, 110)]
        assert trace.rows(("process",)).aggregate("count(*)").fetchall() == [(1,)]
        assert trace.metadata["rows"]["process"] == 1


def test_a_requested_file_ends_where_the_next_part_begins(tmp_path: Path) -> None:
    out = FlightWriter(tmp_path / "t.parquet", False, Keep("4s", 4.0))
    out.begin(traces.recording(ring="4s", began_ns=T0))
    out.add(lifecycle.FORK, batch("fork", row("fork", at(0.5), pid=100, start=born(0), ppid=7, comm="new")))
    out.commit({"ended_ns": at(1)})
    out.turn({"losses": [], "ended_ns": at(1)}, asked=True)
    out.begin(traces.recording(started_ns=at(1), ring="4s", began_ns=T0))
    out.add(lifecycle.FORK, batch("fork", row("fork", at(1.5), pid=101, start=born(1), ppid=7, comm="new")))
    out.commit({"ended_ns": at(2)})
    out._reap(0)
    (made,) = tmp_path.glob("t-*.parquet")
    with sysmon.open(made) as trace:
        assert trace.sql("SELECT pid FROM forks").fetchall() == [(100,)]
        assert (trace.metadata["ended_ns"], trace.metadata["stopped_by"]) == (at(1), "request")
    out.abandon()


def test_a_part_that_was_only_begun(tmp_path: Path) -> None:
    """A recorder killed at that point leaves a directory without a commit, which is not a part; until then it is
    running.
    """
    path = tmp_path / "t.parquet"
    out = FlightWriter(path, False, Keep("4s", 4.0))
    out.begin(traces.recording(ring="4s", began_ns=T0))
    out.add(lifecycle.FORK, batch("fork", row("fork", at(0.5), pid=100, start=born(0), ppid=7, comm="new")))
    out.commit({"ended_ns": at(1)})
    begun = out._part.directory
    out.turn({"losses": [], "ended_ns": at(1)})
    assert [begun, out._part.directory] == partial.of(path)[0]
    with pytest.raises(BadRequest, match="still being recorded"):
        make_whole(path, None, force=False)
    out._part._hidden.rows.close()  # as the end of a process does
    out._part._journal.close()
    make_whole(path, None, force=False)
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]
    with sysmon.open(path) as trace:
        assert trace.sql("SELECT pid FROM forks").fetchall() == [(100,)]


@pytest.mark.parametrize("name", ["--keep-last", "--ring"])
def test_the_option_by_its_current_or_first_name(name: str) -> None:
    with pytest.raises(BadRequest, match="--keep-last does not: give one of them"):
        record.main([name, "5m", "--max-size", "2M"], standalone_mode=False)
    page = record.get_help(click.Context(record))
    assert "--keep-last DURATION|SIZE" in page and "--ring" not in page
