"""Interrupted recordings: what was committed is read, and damage is counted."""

import contextlib
import io
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sysmon
from sysmon.analyze.edit.repair import make_whole
from sysmon.bpf.kinds import lifecycle
from sysmon.bpf.trace_file import footer, journal, pages, partial, recover, schema, tables, thrift, unfinished
from sysmon.bpf.trace_file.directory import Directory
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.bpf.trace_file.parquet_thrift import ColumnChunk, ColumnMetaData, FileMetaData, RowGroup
from sysmon.bpf.trace_file.writer import TraceWriter
from sysmon.errors import BadRequest, BrokenTrace, NotATrace, SysmonError
from tests import traces

META: Recording = {**traces.recording(), "stopped_by": "cut off"}


def forks(begin: int, end: int) -> pa.RecordBatch:
    rows = [{"ts": t, "pid": t % 1000, "start": 10_000_000} for t in range(begin, end)]
    return pa.RecordBatch.from_pylist(rows, schema=schema.of_kind(lifecycle.FORK))


def execs(begin: int, end: int) -> pa.RecordBatch:
    """With lists, some of them NULL and some empty."""
    rows = [{"ts": t, "pid": t, "comm": "x", "argv": [None, [], ["a", "b"], ["c"]][t % 4]} for t in range(begin, end)]
    return pa.RecordBatch.from_pylist(rows, schema=schema.of_kind(lifecycle.EXEC))


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "GROUP_ROWS", 500)
    monkeypatch.setattr(tables, "SHARED_ROWS", 50)
    monkeypatch.setattr(journal, "SMALL_JOURNAL_BYTES", 2000)


def cut(path: Path, out: TraceWriter) -> Path:
    """Ends the writer as SIGKILL does. Returns the directory it leaves."""
    out._hidden.rows.close()
    out._journal.close()
    ((directory,),) = partial.of(path)
    return directory


def recorded(path: Path) -> tuple[TraceWriter, Counter[tuple[str, int]]]:
    """A recording with many commits and some rows after the last; and the committed rows."""
    out = TraceWriter(path, force=False)
    out.begin(META)
    out.commit({})
    for i in range(0, 1200, 150):
        out.add(lifecycle.FORK, forks(i, i + 150))
        out.add(lifecycle.EXEC, execs(i, i + 20))
        out.commit({"ended_ns": META["started_ns"] + i})
    out.add(lifecycle.FORK, forks(5000, 5600))
    out.add(lifecycle.EXEC, execs(5000, 5010))
    rows = Counter(("fork", t) for t in range(1200))
    rows.update(("exec", t) for i in range(0, 1200, 150) for t in range(i, i + 20))
    return out, rows


def rows_of(data: bytes) -> Counter[tuple[str, int]]:
    table = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True).read()
    lists = dict(zip(range(4), (None, [], ["a", "b"], ["c"]), strict=True))
    found: Counter[tuple[str, int]] = Counter()
    for kind, ts, argv in zip(*(table.column(n).to_pylist() for n in ("kind", "ts", "argv")), strict=True):
        found[kind, ts.value] += 1
        assert argv == (lists[ts.value % 4] if kind == "exec" else None)
    return found


def whole(directory: Path) -> tuple[Counter[tuple[str, int]], dict[str, int]]:
    """The rows that can be read, and the number reported as damaged, by kind."""
    out = io.BytesIO()
    part = unfinished.read(Directory.hold(directory))
    recording = recover.write([part], part.recording, out)
    found = rows_of(out.getvalue())
    counts = Counter(kind for kind, _ in found.elements())
    assert {k: n for k, n in recording["rows"].items() if n} == counts
    return found, {loss["place"]: loss["lost"] for loss in recording["losses"]}


@pytest.mark.usefixtures("small_groups")
def test_exactly_the_committed_rows_are_there(tmp_path: Path) -> None:
    out, expected = recorded(tmp_path / "t.parquet")
    directory = cut(tmp_path / "t.parquet", out)
    assert len(unfinished.read(Directory.hold(directory)).groups) == 2
    assert whole(directory) == (expected, {})


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("in_place", [False, True])
def test_damage_to_a_repaired_file_is_found(tmp_path: Path, in_place: bool) -> None:
    out, _rows = recorded(tmp_path / "t.parquet")
    directory = cut(tmp_path / "t.parquet", out)
    part = unfinished.read(Directory.hold(directory))
    path = tmp_path / "made.parquet"
    if in_place:
        recover.complete(part, Directory.hold(directory), part.recording)
        path = directory / partial.ROWS
        made = path.read_bytes()
    else:
        with path.open("xb") as file:
            recover.write([part], part.recording, file)
        made = path.read_bytes()
    copy = tmp_path / "copy.parquet"
    copy.write_bytes(made)
    sysmon.open(copy).close()
    end = len(made) - 8 - int.from_bytes(made[-8:-4], "little")
    for at in range(4, end, 997):
        copy.write_bytes(made[:at] + bytes([made[at] ^ 1 << at % 8]) + made[at + 1 :])
        with pytest.raises(BrokenTrace):
            sysmon.open(copy)


@pytest.mark.usefixtures("small_groups")
def test_an_interrupted_recording_is_opened_and_repaired_in_place(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    out, expected = recorded(path)
    directory = cut(path, out)
    for name in (path, directory):
        with sysmon.open(name) as trace:
            assert trace.sql("SELECT count(*) FROM forks").fetchall() == [(1200,)]
            scratch = trace.source.path.parent
            assert trace.metadata["ended_ns"] == META["started_ns"] + 1050
        assert not scratch.exists()
    make_whole(path, None, force=False)
    assert os.listdir(tmp_path) == ["t.parquet"]
    assert rows_of(path.read_bytes()) == expected
    with pytest.raises(BadRequest, match="is whole"):
        make_whole(path, None, force=False)


@pytest.mark.usefixtures("small_groups")
def test_a_repair_that_failed_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    out, expected = recorded(path)
    cut(path, out)
    with monkeypatch.context() as patched:
        patched.setattr(Directory, "publish", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(SysmonError, match="No space left on device; make room"):
            make_whole(path, None, force=False)
    make_whole(path, None, force=False)
    assert rows_of(path.read_bytes()) == expected


@pytest.mark.usefixtures("small_groups")
def test_a_running_recording_is_not_repaired(tmp_path: Path) -> None:
    out, expected = recorded(tmp_path / "t.parquet")
    with pytest.raises(BadRequest, match="still being recorded"):
        make_whole(tmp_path / "t.parquet", None, force=False)
    with sysmon.open(tmp_path / "t.parquet") as trace:
        assert trace.metadata["stopped_by"] == "not yet"
    out.finish(META)
    assert os.listdir(tmp_path) == ["t.parquet"]
    assert expected < rows_of((tmp_path / "t.parquet").read_bytes())


def test_nothing_was_committed(tmp_path: Path) -> None:
    out = TraceWriter(tmp_path / "t.parquet", force=False)
    out.begin(META)
    cut(tmp_path / "t.parquet", out)
    with pytest.raises(SysmonError, match="before anything was written"):
        sysmon.open(tmp_path / "t.parquet")


def test_several_interrupted_recordings_are_named(tmp_path: Path) -> None:
    for _ in range(2):
        out = TraceWriter(tmp_path / "t.parquet", force=False)
        out.begin(META)
        out.commit({})
        out._journal.close()
        out._hidden.rows.close()
    with pytest.raises(NotATrace, match="several recordings were interrupted"):
        sysmon.open(tmp_path / "t.parquet")
    with sysmon.open(partial.of(tmp_path / "t.parquet")[0][0]):
        pass


def damaged(directory: Path, name: str) -> Iterator[Path]:
    """The directory with a file truncated at every 997th byte, and with a byte changed there."""
    data = (directory / name).read_bytes()
    for at in range(0, len(data), 997):
        changed = bytearray(data)
        changed[at] ^= 0x55
        for content in (data[:at], bytes(changed)):
            (directory / name).write_bytes(content)
            yield directory
    (directory / name).write_bytes(data)


@pytest.mark.slow
@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("name", [partial.ROWS, partial.LOG, *partial.JOURNALS])
def test_damage_is_counted_or_refused(tmp_path: Path, name: str) -> None:
    """Never a wrong row, never one twice; missing committed rows are counted exactly."""
    out, expected = recorded(tmp_path / "t.parquet")
    directory = cut(tmp_path / "t.parquet", out)
    read = 0
    for each in damaged(directory, name):
        found, lost = expected, {}
        with contextlib.suppress(SysmonError) if name == partial.LOG else contextlib.nullcontext():
            found, lost = whole(each)
            read += 1
        assert found <= expected
        if name != partial.LOG:  # a truncated log ends at an earlier commit
            gone = Counter(kind for kind, _ in (expected - found).elements())
            assert gone == lost
    assert read or name in partial.JOURNALS, "one of the two is empty"


@pytest.mark.usefixtures("small_groups")
def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    out, _expected = recorded(path)
    out.finish(META)
    data = path.read_bytes()
    for at in range(0, len(data), 997):
        path.write_bytes(data[:at])
        with pytest.raises((NotATrace, BrokenTrace)):
            sysmon.open(path)


@pytest.mark.usefixtures("small_groups")
def test_footers_rebuilt_from_pages_are_those_of_pyarrow(tmp_path: Path) -> None:
    """Row groups rebuilt from their pages equal those that pyarrow wrote."""
    path = tmp_path / "t.parquet"
    out, _expected = recorded(path)
    out.finish(META)
    data = path.read_bytes()
    end = footer.read(data)
    columns = footer.leaves(end)
    assert thrift.dump(end) == data[-8 - int.from_bytes(data[-8:-4], "little") : -8]
    for said in end[FileMetaData.ROW_GROUPS].items:
        begin, length = said[RowGroup.FILE_OFFSET].value, said[RowGroup.TOTAL_COMPRESSED_SIZE].value
        made = pages.row_group(data[begin : begin + length], begin, said[RowGroup.NUM_ROWS].value, columns)
        assert all(made[number] == said[number] for number in made if number != RowGroup.COLUMNS)
        for chunk, other in zip(said[RowGroup.COLUMNS].items, made[RowGroup.COLUMNS].items, strict=True):
            ours, theirs = other[ColumnChunk.META_DATA], chunk[ColumnChunk.META_DATA]
            apart = (ColumnMetaData.ENCODINGS, ColumnMetaData.STATISTICS)
            assert all(ours[number] == theirs[number] for number in ours if number not in apart)
            assert set(ours[ColumnMetaData.ENCODINGS].items) == set(theirs[ColumnMetaData.ENCODINGS].items)
            if ColumnMetaData.STATISTICS in theirs:
                mine = ours[ColumnMetaData.STATISTICS]
                assert {number: theirs[ColumnMetaData.STATISTICS][number] for number in mine} == mine


def test_one_column_of_lists() -> None:
    """With two such columns, the pages alone do not tell where the first one ends."""
    assert sum(pa.types.is_nested(f.type) for f in schema.wide()) == 1


def test_the_directory_is_private_to_its_owner(tmp_path: Path) -> None:
    out = TraceWriter(tmp_path / "t.parquet", force=False)
    assert out.directory.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in out.directory.iterdir()} == {0o600}
    out.abandon()
    shutil.rmtree(tmp_path)
