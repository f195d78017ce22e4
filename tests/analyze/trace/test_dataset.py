"""What a trace is read from: the files of one recording, or a table in memory."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import sysmon
from sysmon.analyze.trace.source import inspect
from sysmon.analyze.trace.trace import Trace
from sysmon.bpf.kinds import KINDS
from sysmon.bpf.trace_file import schema
from sysmon.bpf.trace_file.metadata import CUT_OFF
from sysmon.bpf.trace_file.writer import TraceWriter
from tests import traces
from tests.traces import Row, at, born, row

STANDING = {"pid": 100, "start": born(-5), "ppid": 1, "comm": "daemon", "state": "S"}


def standing(second: float, edge: str, **columns: object) -> Row:
    return row("process", at(second), edge=edge, **{**STANDING, **columns})


def cell(second: float, calls: int) -> Row:
    return traces.calls(at(second), 100, born(-5), "read", 80, calls)


def waiting(second: float, edge: str, tid: int) -> Row:
    return row(
        "syscall_inflight", at(second), pid=100, start=born(-5), tid=tid, syscall="poll", nr=7, abi="x86_64", edge=edge
    )


FILES: list[list[Row]] = [
    [
        standing(0, "start"),
        row("clock", at(0)),
        cell(1, 3),
        row("clock", at(1)),
        waiting(0, "start", 100),
        standing(1, "end"),
        waiting(1, "end", 101),
    ],
    [
        standing(1, "start"),
        row("clock", at(1)),
        waiting(1, "start", 101),
        row("fork", at(1.5), pid=200, start=born(1.5), ppid=100, comm="child"),
        cell(2, 5),
        row("clock", at(2)),
        standing(2, "end"),
        standing(2, "end", pid=200, start=born(1.5), comm="child"),
    ],
    [
        standing(2, "start", pid=200, start=born(1.5), comm="child"),
        standing(2, "both"),
        row("clock", at(2)),
        cell(3, 7),
        row("exit", at(2.5), pid=200, start=born(1.5), comm="child", exit_code=0, lifetime_ns=10**9),
        row("clock", at(3)),
        waiting(3, "both", 102),
    ],
]
"""A process that lives through three files, and a child of the second that ends in the third."""


def written(folder: Path, number: int, /, **changes: object) -> Path:
    said = {"file": number, "rotate": "1s", "started_ns": at(number - 1), "ended_ns": at(number), "began_ns": at(0)}
    lost = [{"cause": "ring full", "place": "open", "lost": 2 * number}]
    return traces.write(folder / f"t-{number:06}.parquet", FILES[number - 1], **{**said, "losses": lost, **changes})


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Trace]:
    for number in (1, 2, 3):
        written(tmp_path, number)
    with sysmon.open(tmp_path / "t-*.parquet") as trace:
        yield trace


def test_counts_and_snapshots_are_summed_over_all_files(whole: Trace) -> None:
    assert whole.sql("SELECT SUM(calls) FROM syscall_stats").fetchall() == [(15,)]
    assert whole.sql("SELECT COUNT(*), SUM(interval_ns) FROM snapshots").fetchall() == [(3, 3 * 10**9)]


def test_the_metadata_is_of_one_recording(whole: Trace) -> None:
    said = whole.metadata
    assert (said["started_ns"], said["ended_ns"]) == (at(0), at(3))
    assert said["losses"] == [{"cause": "ring full", "place": "open", "lost": 12}]
    assert said["rows"]["syscall_stats"] == 3 and said["rows"]["process"] == 7


def test_edges_of_files_are_not_edges_of_the_recording(whole: Trace) -> None:
    alive = whole.sql("SELECT pid, alive_at_start, alive_at_end FROM processes ORDER BY pid").fetchall()
    assert alive == [(100, True, True), (200, False, False)]
    states = whole.sql("SELECT edge, COUNT(*) FROM process_states GROUP BY edge ORDER BY edge").fetchall()
    assert states == [("end", 1), ("start", 1), (None, 5)]
    # The call of thread 101 was cut only by file edges, and is counted where it returned.
    assert whole.sql("SELECT tid, edge FROM syscalls_in_flight ORDER BY tid").fetchall() == [
        (100, "start"),
        (102, "end"),
    ]


def test_rows_come_in_the_order_of_time_and_of_the_files(whole: Trace) -> None:
    rows = whole.rows(("process", "clock")).fetchall()
    assert len(rows) == 13
    names = whole.rows(("clock",)).columns
    ts = names.index("ts")
    assert [r[ts] for r in rows] == sorted(r[ts] for r in rows)


def test_a_window_across_files(tmp_path: Path, whole: Trace) -> None:
    with sysmon.open(tmp_path / "t-*.parquet", since="0.5", until="2.5") as trace:
        assert trace.sql("SELECT SUM(calls) FROM syscall_stats").fetchall() == [(8,)]
    whole.move(at(0.5), at(2.5))
    assert whole.sql("SELECT SUM(calls) FROM syscall_stats").fetchall() == [(8,)]


def test_some_consecutive_files(tmp_path: Path) -> None:
    for number in (2, 3):
        written(tmp_path, number)
    with sysmon.open(tmp_path / "t-*.parquet") as trace:
        assert trace.sql("SELECT SUM(calls) FROM syscall_stats").fetchall() == [(12,)]
        assert trace.metadata["file"] == 2


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    written(tmp_path, 1)
    written(tmp_path, 3)
    with pytest.raises(sysmon.BadRequest, match=r"between t-000001.parquet and t-000003.parquet a file is missing"):
        sysmon.open(tmp_path / "t-*.parquet")
    written(tmp_path, 2, recorder_pid=77)
    with pytest.raises(sysmon.BadRequest, match="are not of one recording"):
        sysmon.open(tmp_path / "t-*.parquet")
    with pytest.raises(sysmon.NotATrace, match=r"u-\*\.parquet: cannot be read \(No such file or directory\)"):
        sysmon.open(tmp_path / "u-*.parquet")


def test_a_file_named_like_the_pattern(tmp_path: Path) -> None:
    path = traces.write(tmp_path / "t-[1]*.parquet", FILES[0])
    with sysmon.open(path) as trace:
        assert trace.source.path == path and len(trace.source.files) == 1


def test_a_table_in_memory_answers_as_its_file(tmp_path: Path) -> None:
    path = written(tmp_path, 2)
    with sysmon.open(pq.read_table(path)) as table, sysmon.open(path) as file:
        for name in ("syscalls", "processes", "cpu", "findings"):
            assert table.report(name).fetchall() == file.report(name).fetchall()
    with pytest.raises(sysmon.NotATrace, match="without a trace's metadata"):
        sysmon.open(pq.read_table(path).replace_schema_metadata(None))


def test_a_file_that_was_interrupted_is_one_of_them(tmp_path: Path, whole: Trace) -> None:
    """As it is in its hidden directory; what it has would else be left out in silence."""
    answers = [whole.report(name).fetchall() for name in ("syscalls", "processes")]
    last = tmp_path / "t-000003.parquet"
    recording, rows = inspect(last).recording, pq.read_table(last)
    last.unlink()
    out = TraceWriter(last, force=False)
    out.begin({**recording, "stopped_by": CUT_OFF})
    for kind in KINDS:
        schema_of_kind = schema.of_kind(kind)
        mine = rows.filter(pc.equal(rows["kind"], kind.name)).select(schema_of_kind.names).cast(schema_of_kind)
        for batch in mine.combine_chunks().to_batches():
            out.add(kind, batch)
    out.commit({"ended_ns": recording["ended_ns"]})
    with sysmon.open(tmp_path / "t-*.parquet") as trace:
        assert [trace.report(name).fetchall() for name in ("syscalls", "processes")] == answers
        assert [file.path.name for file in trace.source.files][:2] == ["t-000001.parquet", "t-000002.parquet"]
        assert len(trace.source.files) == 3
    out.abandon()
